/* lublin.c - see lublin.h
 *
 * Arrivals are seen as a clock that runs unevenly: a half hour with weight w holds w half
 * hours of "busy time", and a day 48 of them, as the weights are scaled to a mean of 1.
 * In busy time the distances are all alike, so an arrival is a sum, turned back into the time of
 * day at the end. A load is aimed at by scaling the distances in busy time, which keeps
 * the daily cycle as it is.
 *
 * This is the one file of docket that computes with floating point before anything is decided;
 * what leaves it is whole seconds in a trace. */
#include "replay/lublin.h"

#include "base/check.h"
#include "base/prng.h"

#include <math.h>
#include <string.h>

enum { SLOTS = 48, SLOT_SECONDS = 1800, DAY_SECONDS = SLOTS * SLOT_SECONDS };

#define LN2_HIGH 0.693147180369123816490 /* the first 33 bits, so that k * LN2_HIGH is exact */
#define LN2_LOW 1.90821492927058770002e-10

/* --- log and exp, the same bits everywhere --- */

/* x = m 2^e with m near 1; log m = 2 artanh((m-1)/(m+1)), whose series falls by 1/34 a term. */
static double natural_log(double x)
{
    int e;
    double m = frexp(x, &e), s, s2, power, sum = 0;

    if (m < 0.70710678118654752440) {
        m *= 2;
        e--;
    }
    s = (m - 1) / (m + 1);
    s2 = s * s;
    power = s;
    for (int k = 1; k < 25; k += 2) {
        sum += power / k;
        power *= s2;
    }
    return e * LN2_HIGH + (2 * sum + e * LN2_LOW);
}

/* x = k ln 2 + r with |r| below 0.35; the Taylor series ends below the last bit. */
static double natural_exp(double x)
{
    double k = floor(x / (LN2_HIGH + LN2_LOW) + 0.5);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double term = 1, sum = 1;

    for (int i = 1; i < 18; i++) {
        term *= r / i;
        sum += term;
    }
    return ldexp(sum, (int)k);
}

/* --- chance --- */

static double uniform(struct dk_prng *prng)
{
    return ((double)(dk_prng_next(prng) >> 11) + 0.5) * 0x1p-53; /* never 0, never 1 */
}

static double between(struct dk_prng *prng, double low, double high)
{
    return low + uniform(prng) * (high - low);
}

/* Marsaglia's polar method; the second value of the pair is not kept: fewer states to think of. */
static double normal(struct dk_prng *prng)
{
    for (;;) {
        double a = between(prng, -1, 1), b = between(prng, -1, 1), square = a * a + b * b;

        if (square > 0 && square < 1)
            return a * sqrt(-2 * natural_log(square) / square);
    }
}

/* Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; shape >= 1. */
static double gamma_variate(struct dk_prng *prng, double shape, double scale)
{
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);

    for (;;) {
        double x = normal(prng), t = 1 + c * x, v = t * t * t;

        if (t > 0 && natural_log(uniform(prng)) < x * x / 2 + d - d * v + d * natural_log(v))
            return d * v * scale;
    }
}

/* e to a gamma variate that is at most `limit`. */
static double log_gamma(struct dk_prng *prng, double shape, double scale, double limit)
{
    double g;

    do
        g = gamma_variate(prng, shape, scale);
    while (g > limit);
    return natural_exp(g);
}

/* --- the model --- */

/* What the model fits to the day is gamma(8.1737, 3.9631) over half hours, from 5:30 one day to
 * 5:30 the next (half hour 11 to 58 of it). Only ratios matter, so the density need not be
 * normalised. */
static void day_weights(double weights[SLOTS])
{
    enum { FIRST = 11, STEPS = 16 };
    double total = 0;

    for (int i = FIRST; i < FIRST + SLOTS; i++) {
        double sum = 0;

        for (int step = 0; step <= STEPS; step++) { /* Simpson's rule over i - 0.5 ... i + 0.5 */
            double x = i - 0.5 + (double)step / STEPS;
            double density = natural_exp((8.1737 - 1) * natural_log(x) - x / 3.9631);

            sum += density * (step == 0 || step == STEPS ? 1 : step % 2 == 1 ? 4 : 2);
        }
        weights[(i - 1) % SLOTS] = sum;
        total += sum;
    }
    for (int i = 0; i < SLOTS; i++)
        weights[i] *= SLOTS / total;
}

/* From busy time, in half hours since the first midnight, to seconds. */
static int64_t time_of(const double weights[SLOTS], double busy)
{
    double days = floor(busy / SLOTS), left = busy - days * SLOTS;
    int slot = 0;

    while (slot < SLOTS - 1 && left >= weights[slot])
        left -= weights[slot++];
    return (int64_t)days * DAY_SECONDS +
           (int64_t)floor((slot + left / weights[slot]) * SLOT_SECONDS);
}

static int32_t draw_size(struct dk_prng *prng, int32_t procs)
{
    double high = natural_log(procs) / (LN2_HIGH + LN2_LOW);
    double low = high < 0.8 ? high : 0.8;
    double middle = high - 2.5 > low ? high - 2.5 : low;
    double kind = uniform(prng), x, size;

    if (kind <= 0.244 || procs == 1)
        return 1;
    x = uniform(prng) <= 0.86 ? between(prng, low, middle) : between(prng, middle, high);
    if (kind <= 0.244 + 0.576)
        x = floor(x + 0.5);
    size = floor(natural_exp(x * (LN2_HIGH + LN2_LOW)) + 0.5);
    return size < procs ? (int32_t)size : procs;
}

static int64_t draw_run(struct dk_prng *prng, int32_t size)
{
    double p = 0.78 - 0.0054 * size;

    if (uniform(prng) <= p)
        return (int64_t)log_gamma(prng, 4.2, 0.94, 12);
    return (int64_t)log_gamma(prng, 312, 0.03, 12);
}

static int64_t draw_estimate(struct dk_prng *prng, int64_t run)
{
    static const int32_t usual_minutes[] = { 1,   2,   5,    10,   15,   20,   30,
                                             45,  60,  90,   120,  180,  240,  360,
                                             480, 720, 1080, 1440, 2160, 2880, 4320 };
    int64_t wanted = (int64_t)((double)run * between(prng, 1, 5)) + 1;

    for (size_t i = 0; i < sizeof(usual_minutes) / sizeof(usual_minutes[0]); i++) {
        if (wanted <= usual_minutes[i] * INT64_C(60))
            return usual_minutes[i] * INT64_C(60);
    }
    return (wanted + DAY_SECONDS - 1) / DAY_SECONDS * DAY_SECONDS;
}

void dk_lublin_generate(struct dk_trace *trace, const struct dk_lublin_options *options,
                        const struct dk_alloc *alloc)
{
    struct dk_prng prng;
    double weights[SLOTS], stretch = 1, area = 0, busy = 0;
    double *arrivals;

    DK_CHECK(options->jobs >= 1 && options->jobs <= 100000000 && options->procs >= 1);
    *trace = (struct dk_trace){ .alloc = alloc,
                                .count = options->jobs,
                                .capacity = options->jobs,
                                .procs = options->procs,
                                .procs_max = options->procs,
                                .nodes_max = -1,
                                .unix_start = 1041379200 /* 2003-01-01, midnight UTC */ };
    trace->jobs = dk_alloc_new(alloc, options->jobs * sizeof(*trace->jobs));
    arrivals = dk_alloc_new(alloc, options->jobs * sizeof(*arrivals));
    day_weights(weights);
    dk_prng_init(&prng, options->seed);
    for (uint32_t i = 0; i < options->jobs; i++) {
        int32_t size = draw_size(&prng, options->procs);
        int64_t run = draw_run(&prng, size);
        int64_t estimate =
            draw_estimate(&prng, run); /* drawn also when unused: same jobs either way */

        busy += log_gamma(&prng, 10.2303 * 1.0225, 0.4871, 13) / SLOT_SECONDS;
        arrivals[i] = busy;
        area += (double)run * size;
        trace->jobs[i] =
            (struct dk_trace_job){ .number = (int64_t)i + 1,
                                   .run = run,
                                   .estimate = options->exact_estimates ? run : estimate,
                                   .memory_kib = -1,
                                   .procs = size,
                                   .user = -1,
                                   .group = -1,
                                   .line = i + 1 };
    }
    if (options->load_percent > 0)
        stretch =
            area / ((double)options->procs * busy * SLOT_SECONDS) * 100 / options->load_percent;
    for (uint32_t i = 0; i < options->jobs; i++)
        trace->jobs[i].submit = time_of(weights, arrivals[i] * stretch);
    dk_alloc_free(alloc, arrivals, options->jobs * sizeof(*arrivals));
}
