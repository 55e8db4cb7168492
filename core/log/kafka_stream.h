/* kafka_stream.h - what senders and readers of streams share (kafka_stream.c) */
#ifndef DK_LOG_KAFKA_STREAM_H
#define DK_LOG_KAFKA_STREAM_H

#include "log/kafka.h"
#include "log/stream.h"

/* dk_kafka_place_init; DK_UNSUPPORTED for the address of another log. */
enum dk_status dk_stream_place(struct dk_kafka_place *place, const char *uri, struct dk_err *err);

/* Where a test puts faults. */
rd_kafka_t *dk_stream_producer(struct dk_stream *stream);

#endif
