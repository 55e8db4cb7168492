/* kafka_log_test.c - the log on a real broker: the conformance suite, and what only Kafka has
 *
 * Needs a broker: DOCKET_KAFKA has its address (tests/e2e/kafka/broker.py).
 */
#include "support.h"

#include "conformance.h"

#include <stdlib.h>

static const char *servers;

/* Nothing is taken away: the broker goes with all it has. */
static void make_prefix(char *uri, size_t size)
{
    static int number;

    (void)snprintf(uri, size, "kafka://%s/log-%d", servers, ++number);
}

static void remove_prefix(const char *uri)
{
    (void)uri;
}

int main(void)
{
    const struct conformance_backend backend = {
        .name = "kafka",
        .make = make_prefix,
        .remove = remove_prefix,
        .fences = true,
        .repairs_never = true,
        .rounds = 2,
    };

    servers = getenv("DOCKET_KAFKA");
    if (servers == NULL) {
        (void)printf("skipped: DOCKET_KAFKA names no broker\n");
        return 77;
    }
    return conformance_run(&backend);
}
