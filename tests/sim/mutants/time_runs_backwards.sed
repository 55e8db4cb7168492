# core/controller/stamp.c: the clock follows the system's, wherever it goes
s/clock->last = real > clock->last ? real : crept;/clock->last = real;/
