# nodes/orders.c: an order that was done and forgotten is new again
s/if (is_new \&\& meta->seq <= agent->floor) {/if (false) {/
