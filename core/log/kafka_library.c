/* kafka_library.c - finds librdkafka (kafka_library.h) */
#include "log/kafka_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

struct dk_rdkafka dk_rdkafka;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct dk_err failed;

static const struct {
    const char *name;
    size_t at; /* of its pointer in struct dk_rdkafka */
} functions[] = {
#define X(name) { #name, offsetof(struct dk_rdkafka, name) },
    DK_RDKAFKA_MAP(X)
#undef X
};

static void load(void)
{
    void *library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        failed.status =
            dk_fail(&failed, DK_UNSUPPORTED,
                    "a log on Kafka needs librdkafka (Debian: librdkafka1): %s", dlerror());
        return;
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *function = dlsym(library, functions[i].name);

        if (function == NULL) {
            failed.status = dk_fail(&failed, DK_UNSUPPORTED,
                                    "librdkafka is too old for a log on Kafka: it has no %s",
                                    functions[i].name);
            return;
        }
        memcpy((char *)&dk_rdkafka + functions[i].at, &function, sizeof(function));
    }
}

enum dk_status dk_kafka_load(struct dk_err *err)
{
    (void)pthread_once(&once, load);
    if (failed.status != DK_OK && err != NULL)
        *err = failed;
    return failed.status;
}
