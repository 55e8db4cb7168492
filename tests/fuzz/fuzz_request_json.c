/* fuzz_request_json.c - any text is refused, or becomes requests that our own codec writes */
#include "base/check.h"
#include "net/request_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_err err = { .status = DK_OK };
    struct dk_request *requests, again;
    struct dk_arena arena;
    struct dk_buf out;
    uint32_t count;
    enum dk_status status;

    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, (size_t)1 << 30);
    status = dk_requests_from_json(data, size, &arena, &requests, &count, &err);
    DK_CHECK(status != DK_OK ? err.status == status && err.text[0] != '\0' : count > 0);
    for (uint32_t i = 0; status == DK_OK && i < count; i++) {
        dk_buf_clear(&out);
        DK_CHECK(dk_request_encode(&requests[i], &out, &err) == DK_OK);
        DK_CHECK(dk_request_decode(out.data, out.size, &arena, &again, &err) == DK_OK);
        DK_CHECK(again.type == requests[i].type);
    }
    dk_buf_release(&out);
    dk_arena_release(&arena);
    return 0;
}
