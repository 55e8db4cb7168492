/* fuzz_credential.c - what came as a credential, an address or a list of them, from whoever sent it
 *
 * A text that passes for a credential is the only one of its bytes: taken apart and put together
 * again it is the same. Nothing else may reach munged, whose own reading is more generous. */
#include "base/check.h"
#include "net/address.h"
#include "net/munge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32_t value_of(char c)
{
    const char *at = c != '=' ? strchr(letters, c) : letters;

    DK_CHECK(at != NULL && c != '\0');
    return (uint32_t)(at - letters);
}

static void check_whole(const char *text)
{
    const char *at = text + 6, *end = text + strlen(text) - 1;

    DK_CHECK(strlen(text) < DK_CREDENTIAL_SIZE_MAX && memcmp(text, "MUNGE:", 6) == 0);
    DK_CHECK(*end == ':' && end > at && (end - at) % 4 == 0);
    for (; at < end; at += 4) {
        int pads = (at[3] == '=') + (at[2] == '=');
        uint32_t three =
            value_of(at[0]) << 18 | value_of(at[1]) << 12 | value_of(at[2]) << 6 | value_of(at[3]);
        char again[4] = { letters[three >> 18], letters[three >> 12 & 63],
                          pads > 1 ? '=' : letters[three >> 6 & 63],
                          pads > 0 ? '=' : letters[three & 63] };

        DK_CHECK(pads == 0 || at + 4 == end);
        DK_CHECK(pads < 2 || (three & 0xffff) == 0);
        DK_CHECK(pads < 1 || (three & 0xff) == 0);
        DK_CHECK(memcmp(again, at, 4) == 0);
    }
}

static void check_addresses(const char *text)
{
    char address[64], host[DK_HOST_MAX], port[6];
    struct dk_err err;

    while (dk_address_next(&text, address, sizeof(address))) {
        DK_CHECK(strlen(address) > 0 && strlen(address) < sizeof(address));
        if (dk_address_split(address, host, port, &err) != DK_OK)
            continue;
        DK_CHECK(strlen(host) > 0 && strlen(host) < sizeof(address));
        DK_CHECK(strspn(port, "0123456789") == strlen(port) && strtol(port, NULL, 10) <= 65535);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 7);

    DK_CHECK(text != NULL);
    memcpy(text, "MUNGE:", 6);
    if (size > 0)
        memcpy(text + 6, data, size);
    text[size + 6] = '\0';
    if (dk_credential_is_whole(text))
        check_whole(text);
    if (dk_credential_is_whole(text + 6))
        check_whole(text + 6);
    check_addresses(text + 6);
    free(text);
    return 0;
}
