# nodes/orders.c: an agent without a ledger does not look for what runs already
s/duty->ran = agent->is_blank \&\& dk_machine_kill_left(agent, duty);/duty->ran = false;/
