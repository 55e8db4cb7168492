# projections/orders.c: asking with 0 drops what others are still to be told
s/drop_if(live, node, 0, 0, after);/drop_if(live, node, 0, 0, after > 0 ? after : DROP_FORGETS);/
