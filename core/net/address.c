/* address.c - where a daemon listens (address.h) */
#include "net/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool dk_address_is_path(const char *address)
{
    return strchr(address, '/') != NULL;
}

enum dk_status dk_address_split(const char *address, char host[DK_HOST_MAX], char port[6],
                                struct dk_err *err)
{
    const char *colon = strrchr(address, ':'), *first = address;
    size_t size = colon != NULL ? (size_t)(colon - address) : 0, digits;
    bool bracketed = size > 2 && first[0] == '[' && first[size - 1] == ']';

    if (bracketed) {
        first++;
        size -= 2;
    }
    digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
    if (size == 0 || size >= DK_HOST_MAX || digits == 0 || digits > 5 ||
        colon[1 + digits] != '\0' || strtol(colon + 1, NULL, 10) > 65535 ||
        (!bracketed && memchr(first, ':', size) != NULL))
        return dk_fail(err, DK_INVALID,
                       "'%s' is no address like 10.0.0.1:7801, [fd00::1]:7801 or HOST:7801",
                       address);
    memcpy(host, first, size);
    host[size] = '\0';
    memcpy(port, colon + 1, digits + 1);
    return DK_OK;
}

bool dk_address_next(const char **list, char *out, size_t size)
{
    static const char apart[] = ", \t";
    size_t used;

    *list += strspn(*list, apart);
    used = (*list)[0] == '/' ? strlen(*list) : strcspn(*list, apart);
    if (used == 0)
        return false;
    (void)snprintf(out, size, "%.*s", (int)used, *list);
    *list += used;
    return true;
}
