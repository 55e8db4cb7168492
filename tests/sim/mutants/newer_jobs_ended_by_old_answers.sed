# nodes/orders.c: a complete answer ends even what it can not know of
s/if (!duty->named \&\& duty->seq <= delivery->seq)/if (!duty->named)/
