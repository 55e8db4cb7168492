/* endpoints.c - several daemons that can all answer (endpoints.h) */
#include "net/endpoints.h"

#include "base/check.h"
#include "net/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESSES_MAX = 64, ADDRESS_SIZE = 4224 };

struct dk_endpoints {
    char *list;
    struct dk_munge munge;
    char *addresses[ADDRESSES_MAX];
    uint32_t count, now;
    bool demands;
    bool is_left;             /* `now` was not asked yet */
    struct dk_client *client; /* to addresses[now]; NULL: not connected */
    void (*remark)(const char *text);
};

static char *copy_of(const char *text)
{
    char *copy = strdup(text != NULL ? text : "");

    DK_CHECK(copy != NULL);
    return copy;
}

struct dk_endpoints *dk_endpoints_create(const char *list, const struct dk_munge *munge,
                                         bool demands)
{
    struct dk_endpoints *endpoints = calloc(1, sizeof(*endpoints));
    char address[ADDRESS_SIZE];

    DK_CHECK(endpoints != NULL);
    endpoints->list = copy_of(list);
    if (munge != NULL)
        endpoints->munge = *munge;
    endpoints->demands = demands;
    while (endpoints->count < ADDRESSES_MAX && dk_address_next(&list, address, sizeof(address)))
        endpoints->addresses[endpoints->count++] = copy_of(address);
    return endpoints;
}

static void hang_up(struct dk_endpoints *endpoints)
{
    dk_client_close(endpoints->client);
    endpoints->client = NULL;
}

void dk_endpoints_destroy(struct dk_endpoints *endpoints)
{
    if (endpoints == NULL)
        return;
    hang_up(endpoints);
    for (uint32_t i = 0; i < endpoints->count; i++)
        free(endpoints->addresses[i]);
    free(endpoints->list);
    free(endpoints);
}

void dk_endpoints_leave(struct dk_endpoints *endpoints)
{
    hang_up(endpoints);
    if (endpoints->count < 2 || endpoints->is_left)
        return;
    endpoints->now = (endpoints->now + 1) % endpoints->count;
    endpoints->is_left = true;
}

void dk_endpoints_remark(struct dk_endpoints *endpoints, void (*remark)(const char *text))
{
    endpoints->remark = remark;
}

static enum dk_status reach(struct dk_endpoints *endpoints, struct dk_err *err)
{
    enum dk_status status;

    endpoints->is_left = false;
    if (endpoints->client != NULL)
        return DK_OK;
    status = dk_client_open(&endpoints->client, endpoints->addresses[endpoints->now], err);
    if (status == DK_OK)
        dk_client_prove(endpoints->client, &endpoints->munge, endpoints->demands);
    return status;
}

/* Would another one do better? */
static bool is_to_be_left(enum dk_status status, const struct dk_reply *reply)
{
    if (status == DK_OK)
        return reply->status == 503 || reply->status == 401;
    return status == DK_NOT_FOUND || status == DK_IO || status == DK_NOT_PERMITTED;
}

enum dk_status dk_endpoints_call(struct dk_endpoints *endpoints, const char *method,
                                 const char *target, const char *type, const void *body,
                                 size_t size, int timeout_ms, struct dk_reply *reply,
                                 struct dk_err *err)
{
    enum dk_status status;

    if (endpoints->count == 0)
        return dk_fail(err, DK_INVALID, "'%s' has no address in it", endpoints->list);
    for (uint32_t i = 0; i < endpoints->count; i++) {
        status = reach(endpoints, err);
        if (status == DK_OK)
            status = dk_client_call(endpoints->client, method, target, type, body, size, timeout_ms,
                                    reply, err);
        if (status == DK_NOT_PERMITTED && endpoints->remark != NULL && err != NULL)
            endpoints->remark(err->text);
        if (status != DK_OK && status != DK_END)
            hang_up(endpoints);
        if (!is_to_be_left(status, reply))
            break;
        if (endpoints->count > 1)
            dk_endpoints_leave(endpoints);
    }
    if (status == DK_AGAIN && endpoints->count > 1)
        dk_endpoints_leave(endpoints);
    if (status == DK_NOT_FOUND && endpoints->count > 1)
        (void)dk_fail_in(err, "none of '%s' is there", endpoints->list);
    return status;
}

uint32_t dk_endpoints_count(const struct dk_endpoints *endpoints)
{
    return endpoints->count;
}

const char *dk_endpoints_now(const struct dk_endpoints *endpoints)
{
    return endpoints->count > 0 ? endpoints->addresses[endpoints->now] : endpoints->list;
}
