# nodes/settle.c: a job whose keeper was killed is reported, and runs on
s/(void)dk_machine_kill_left(agent, duty);/(void)agent;/
