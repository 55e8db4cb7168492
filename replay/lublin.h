/* lublin.h - the workload model of Lublin and Feitelson
 *
 * U. Lublin, D. G. Feitelson: "The workload on parallel supercomputers: modeling the
 * characteristics of rigid jobs", J. Parallel and Distributed Computing 63(11), 2003, with its
 * published parameters for all jobs (batch and interactive not told apart):
 *
 *   size      serial with probability 0.244; else 2^x, x from a two-stage uniform distribution over
 *             (0.8, log2 P - 2.5, log2 P), first stage with 0.86; x is rounded to an integer
 *             (a power of two) with probability 0.576
 *   run time  e^g, g from gamma(4.2, 0.94) with probability p, else from gamma(312, 0.03);
 *             p = 0.78 - 0.0054 size, so larger jobs run longer; g at most 12 (45 hours)
 *   arrival   e^g, g from gamma(10.46, 0.4871) at most 13, is the distance in the rush hours;
 *             the day's 48 half hours pass faster or slower by the density of gamma(8.17, 3.96)
 *
 * The model has no requested times. `exact` asks for just the run time; otherwise it is the run
 * time times a factor drawn evenly from 1 to 5 (the f-model of Mu'alem and Feitelson, 2001),
 * rounded up to what people write: 1, 2, 5, 10 minutes ... 1, 2, 4 hours ... days.
 *
 * The same options give the same trace on every machine: besides + - * / only exact functions
 * of the C library are used (sqrt, floor, frexp, ldexp); log and exp are our own.
 */
#ifndef DK_REPLAY_LUBLIN_H
#define DK_REPLAY_LUBLIN_H

#include "replay/swf.h"

struct dk_lublin_options {
    uint32_t jobs; /* 1 to 100,000,000 */
    int32_t procs; /* of the machine, from 1 */
    uint64_t seed;
    uint32_t load_percent; /* offered load to aim at; 0: what the model gives */
    bool exact_estimates;
};

/* Makes a trace; the caller releases it. Options outside their range are a bug of the caller. */
void dk_lublin_generate(struct dk_trace *trace, const struct dk_lublin_options *options,
                        const struct dk_alloc *alloc);

#endif
