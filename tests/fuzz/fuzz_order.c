/* fuzz_order.c - the same as fuzz_event.c, for orders: what an agent takes from the network */
#include "fuzz_codec.h"

static const struct dk_shape *shape(int type)
{
    return dk_order_shape((enum dk_order_type)type);
}

static uint64_t fingerprint(int type)
{
    return dk_order_fingerprint((enum dk_order_type)type);
}

static int type_of(const union codec_record *record)
{
    return (int)record->order.type;
}

static void set_type(union codec_record *record, int type)
{
    record->order.type = (enum dk_order_type)type;
}

static enum dk_status encode(const union codec_record *record, struct dk_buf *out,
                             struct dk_err *err)
{
    return dk_order_encode(&record->order, out, err);
}

static enum dk_status decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                             union codec_record *out, struct dk_err *err)
{
    return dk_order_decode(data, size, arena, &out->order, err);
}

/* Nobody prints an order. */
static bool print(const union codec_record *record, struct dk_buf *out)
{
    (void)record;
    (void)out;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct codec_family orders = {
        "order", DK_ORDER_TYPE_COUNT, shape, fingerprint, type_of, set_type, encode, decode, print
    };

    fuzz_codec(&orders, data, size);
    return 0;
}
