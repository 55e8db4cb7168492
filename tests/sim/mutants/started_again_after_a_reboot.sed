# nodes/recover.c: what has no record was never started
s/            dk_duty_went_down(agent, duty);/            (void)duty;/
