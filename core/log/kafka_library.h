/* kafka_library.h - librdkafka, loaded when a log on Kafka is first opened and never before
 *
 * A daemon whose log is a folder would pay for it otherwise: 0.7 MB of relocated data each, most of
 * it of the libraries that come with it. So nothing is linked with it: its functions are found by
 * name, once, and those that we use are redirected below. One that is missing in either list does
 * not compile or link.
 *
 * Tests that use more of it are linked with it (DK_KAFKA_LINKED); it is the same library then.
 */
#ifndef DK_LOG_KAFKA_LIBRARY_H
#define DK_LOG_KAFKA_LIBRARY_H

#include "base/err.h"

#include <librdkafka/rdkafka.h>

/* Before the first call of any of them. DK_UNSUPPORTED: it is not installed, or lacks one. */
enum dk_status dk_kafka_load(struct dk_err *err);

/* clang-format off */
#define DK_RDKAFKA_MAP(X) \
    X(rd_kafka_AdminOptions_destroy) \
    X(rd_kafka_AdminOptions_new) \
    X(rd_kafka_AdminOptions_set_operation_timeout) \
    X(rd_kafka_AdminOptions_set_request_timeout) \
    X(rd_kafka_ConfigEntry_name) \
    X(rd_kafka_ConfigEntry_value) \
    X(rd_kafka_ConfigResource_configs) \
    X(rd_kafka_ConfigResource_destroy) \
    X(rd_kafka_ConfigResource_error) \
    X(rd_kafka_ConfigResource_error_string) \
    X(rd_kafka_ConfigResource_new) \
    X(rd_kafka_ConsumerGroupDescription_error) \
    X(rd_kafka_ConsumerGroupDescription_member) \
    X(rd_kafka_ConsumerGroupDescription_member_count) \
    X(rd_kafka_ConsumerGroupDescription_state) \
    X(rd_kafka_CreateTopics) \
    X(rd_kafka_CreateTopics_result_topics) \
    X(rd_kafka_DescribeConfigs) \
    X(rd_kafka_DescribeConfigs_result_resources) \
    X(rd_kafka_DescribeConsumerGroups) \
    X(rd_kafka_DescribeConsumerGroups_result_groups) \
    X(rd_kafka_MemberAssignment_partitions) \
    X(rd_kafka_MemberDescription_assignment) \
    X(rd_kafka_MemberDescription_consumer_id) \
    X(rd_kafka_NewTopic_destroy) \
    X(rd_kafka_NewTopic_new) \
    X(rd_kafka_NewTopic_set_config) \
    X(rd_kafka_abort_transaction) \
    X(rd_kafka_assignment_lost) \
    X(rd_kafka_begin_transaction) \
    X(rd_kafka_commit_transaction) \
    X(rd_kafka_conf_destroy) \
    X(rd_kafka_conf_new) \
    X(rd_kafka_conf_set) \
    X(rd_kafka_conf_set_dr_msg_cb) \
    X(rd_kafka_conf_set_error_cb) \
    X(rd_kafka_conf_set_events) \
    X(rd_kafka_conf_set_log_cb) \
    X(rd_kafka_conf_set_opaque) \
    X(rd_kafka_conf_set_rebalance_cb) \
    X(rd_kafka_consume_queue) \
    X(rd_kafka_consume_start_queue) \
    X(rd_kafka_consume_stop) \
    X(rd_kafka_consumer_close) \
    X(rd_kafka_consumer_poll) \
    X(rd_kafka_destroy) \
    X(rd_kafka_err2str) \
    X(rd_kafka_error_code) \
    X(rd_kafka_error_destroy) \
    X(rd_kafka_error_is_fatal) \
    X(rd_kafka_error_is_retriable) \
    X(rd_kafka_error_string) \
    X(rd_kafka_error_txn_requires_abort) \
    X(rd_kafka_event_CreateTopics_result) \
    X(rd_kafka_event_DescribeConfigs_result) \
    X(rd_kafka_event_DescribeConsumerGroups_result) \
    X(rd_kafka_event_destroy) \
    X(rd_kafka_event_error) \
    X(rd_kafka_event_error_string) \
    X(rd_kafka_event_message_count) \
    X(rd_kafka_event_message_next) \
    X(rd_kafka_event_type) \
    X(rd_kafka_fatal_error) \
    X(rd_kafka_header_get_last) \
    X(rd_kafka_incremental_assign) \
    X(rd_kafka_incremental_unassign) \
    X(rd_kafka_init_transactions) \
    X(rd_kafka_last_error) \
    X(rd_kafka_mem_free) \
    X(rd_kafka_memberid) \
    X(rd_kafka_message_destroy) \
    X(rd_kafka_message_errstr) \
    X(rd_kafka_message_headers) \
    X(rd_kafka_message_status) \
    X(rd_kafka_message_timestamp) \
    X(rd_kafka_metadata) \
    X(rd_kafka_metadata_destroy) \
    X(rd_kafka_new) \
    X(rd_kafka_offsets_for_times) \
    X(rd_kafka_pause_partitions) \
    X(rd_kafka_poll) \
    X(rd_kafka_poll_set_consumer) \
    X(rd_kafka_produceva) \
    X(rd_kafka_purge) \
    X(rd_kafka_queue_destroy) \
    X(rd_kafka_queue_get_consumer) \
    X(rd_kafka_queue_get_main) \
    X(rd_kafka_queue_io_event_enable) \
    X(rd_kafka_queue_new) \
    X(rd_kafka_queue_poll) \
    X(rd_kafka_queue_yield) \
    X(rd_kafka_subscribe) \
    X(rd_kafka_topic_destroy) \
    X(rd_kafka_topic_new) \
    X(rd_kafka_topic_partition_list_add) \
    X(rd_kafka_topic_partition_list_destroy) \
    X(rd_kafka_topic_partition_list_new) \
    X(rd_kafka_topic_result_error) \
    X(rd_kafka_topic_result_error_string)
/* clang-format on */

struct dk_rdkafka {
#define X(name) __typeof__(name) *name;
    DK_RDKAFKA_MAP(X)
#undef X
};

extern struct dk_rdkafka dk_rdkafka;

#ifndef DK_KAFKA_LINKED
/* clang-format off */
#define rd_kafka_AdminOptions_destroy(...) dk_rdkafka.rd_kafka_AdminOptions_destroy(__VA_ARGS__)
#define rd_kafka_AdminOptions_new(...) dk_rdkafka.rd_kafka_AdminOptions_new(__VA_ARGS__)
#define rd_kafka_AdminOptions_set_operation_timeout(...) dk_rdkafka.rd_kafka_AdminOptions_set_operation_timeout(__VA_ARGS__)
#define rd_kafka_AdminOptions_set_request_timeout(...) dk_rdkafka.rd_kafka_AdminOptions_set_request_timeout(__VA_ARGS__)
#define rd_kafka_ConfigEntry_name(...) dk_rdkafka.rd_kafka_ConfigEntry_name(__VA_ARGS__)
#define rd_kafka_ConfigEntry_value(...) dk_rdkafka.rd_kafka_ConfigEntry_value(__VA_ARGS__)
#define rd_kafka_ConfigResource_configs(...) dk_rdkafka.rd_kafka_ConfigResource_configs(__VA_ARGS__)
#define rd_kafka_ConfigResource_destroy(...) dk_rdkafka.rd_kafka_ConfigResource_destroy(__VA_ARGS__)
#define rd_kafka_ConfigResource_error(...) dk_rdkafka.rd_kafka_ConfigResource_error(__VA_ARGS__)
#define rd_kafka_ConfigResource_error_string(...) dk_rdkafka.rd_kafka_ConfigResource_error_string(__VA_ARGS__)
#define rd_kafka_ConfigResource_new(...) dk_rdkafka.rd_kafka_ConfigResource_new(__VA_ARGS__)
#define rd_kafka_ConsumerGroupDescription_error(...) dk_rdkafka.rd_kafka_ConsumerGroupDescription_error(__VA_ARGS__)
#define rd_kafka_ConsumerGroupDescription_member(...) dk_rdkafka.rd_kafka_ConsumerGroupDescription_member(__VA_ARGS__)
#define rd_kafka_ConsumerGroupDescription_member_count(...) dk_rdkafka.rd_kafka_ConsumerGroupDescription_member_count(__VA_ARGS__)
#define rd_kafka_ConsumerGroupDescription_state(...) dk_rdkafka.rd_kafka_ConsumerGroupDescription_state(__VA_ARGS__)
#define rd_kafka_CreateTopics(...) dk_rdkafka.rd_kafka_CreateTopics(__VA_ARGS__)
#define rd_kafka_CreateTopics_result_topics(...) dk_rdkafka.rd_kafka_CreateTopics_result_topics(__VA_ARGS__)
#define rd_kafka_DescribeConfigs(...) dk_rdkafka.rd_kafka_DescribeConfigs(__VA_ARGS__)
#define rd_kafka_DescribeConfigs_result_resources(...) dk_rdkafka.rd_kafka_DescribeConfigs_result_resources(__VA_ARGS__)
#define rd_kafka_DescribeConsumerGroups(...) dk_rdkafka.rd_kafka_DescribeConsumerGroups(__VA_ARGS__)
#define rd_kafka_DescribeConsumerGroups_result_groups(...) dk_rdkafka.rd_kafka_DescribeConsumerGroups_result_groups(__VA_ARGS__)
#define rd_kafka_MemberAssignment_partitions(...) dk_rdkafka.rd_kafka_MemberAssignment_partitions(__VA_ARGS__)
#define rd_kafka_MemberDescription_assignment(...) dk_rdkafka.rd_kafka_MemberDescription_assignment(__VA_ARGS__)
#define rd_kafka_MemberDescription_consumer_id(...) dk_rdkafka.rd_kafka_MemberDescription_consumer_id(__VA_ARGS__)
#define rd_kafka_NewTopic_destroy(...) dk_rdkafka.rd_kafka_NewTopic_destroy(__VA_ARGS__)
#define rd_kafka_NewTopic_new(...) dk_rdkafka.rd_kafka_NewTopic_new(__VA_ARGS__)
#define rd_kafka_NewTopic_set_config(...) dk_rdkafka.rd_kafka_NewTopic_set_config(__VA_ARGS__)
#define rd_kafka_abort_transaction(...) dk_rdkafka.rd_kafka_abort_transaction(__VA_ARGS__)
#define rd_kafka_assignment_lost(...) dk_rdkafka.rd_kafka_assignment_lost(__VA_ARGS__)
#define rd_kafka_begin_transaction(...) dk_rdkafka.rd_kafka_begin_transaction(__VA_ARGS__)
#define rd_kafka_commit_transaction(...) dk_rdkafka.rd_kafka_commit_transaction(__VA_ARGS__)
#define rd_kafka_conf_destroy(...) dk_rdkafka.rd_kafka_conf_destroy(__VA_ARGS__)
#define rd_kafka_conf_new(...) dk_rdkafka.rd_kafka_conf_new(__VA_ARGS__)
#define rd_kafka_conf_set(...) dk_rdkafka.rd_kafka_conf_set(__VA_ARGS__)
#define rd_kafka_conf_set_dr_msg_cb(...) dk_rdkafka.rd_kafka_conf_set_dr_msg_cb(__VA_ARGS__)
#define rd_kafka_conf_set_error_cb(...) dk_rdkafka.rd_kafka_conf_set_error_cb(__VA_ARGS__)
#define rd_kafka_conf_set_events(...) dk_rdkafka.rd_kafka_conf_set_events(__VA_ARGS__)
#define rd_kafka_conf_set_log_cb(...) dk_rdkafka.rd_kafka_conf_set_log_cb(__VA_ARGS__)
#define rd_kafka_conf_set_opaque(...) dk_rdkafka.rd_kafka_conf_set_opaque(__VA_ARGS__)
#define rd_kafka_conf_set_rebalance_cb(...) dk_rdkafka.rd_kafka_conf_set_rebalance_cb(__VA_ARGS__)
#define rd_kafka_consume_queue(...) dk_rdkafka.rd_kafka_consume_queue(__VA_ARGS__)
#define rd_kafka_consume_start_queue(...) dk_rdkafka.rd_kafka_consume_start_queue(__VA_ARGS__)
#define rd_kafka_consume_stop(...) dk_rdkafka.rd_kafka_consume_stop(__VA_ARGS__)
#define rd_kafka_consumer_close(...) dk_rdkafka.rd_kafka_consumer_close(__VA_ARGS__)
#define rd_kafka_consumer_poll(...) dk_rdkafka.rd_kafka_consumer_poll(__VA_ARGS__)
#define rd_kafka_destroy(...) dk_rdkafka.rd_kafka_destroy(__VA_ARGS__)
#define rd_kafka_err2str(...) dk_rdkafka.rd_kafka_err2str(__VA_ARGS__)
#define rd_kafka_error_code(...) dk_rdkafka.rd_kafka_error_code(__VA_ARGS__)
#define rd_kafka_error_destroy(...) dk_rdkafka.rd_kafka_error_destroy(__VA_ARGS__)
#define rd_kafka_error_is_fatal(...) dk_rdkafka.rd_kafka_error_is_fatal(__VA_ARGS__)
#define rd_kafka_error_is_retriable(...) dk_rdkafka.rd_kafka_error_is_retriable(__VA_ARGS__)
#define rd_kafka_error_string(...) dk_rdkafka.rd_kafka_error_string(__VA_ARGS__)
#define rd_kafka_error_txn_requires_abort(...) dk_rdkafka.rd_kafka_error_txn_requires_abort(__VA_ARGS__)
#define rd_kafka_event_CreateTopics_result(...) dk_rdkafka.rd_kafka_event_CreateTopics_result(__VA_ARGS__)
#define rd_kafka_event_DescribeConfigs_result(...) dk_rdkafka.rd_kafka_event_DescribeConfigs_result(__VA_ARGS__)
#define rd_kafka_event_DescribeConsumerGroups_result(...) dk_rdkafka.rd_kafka_event_DescribeConsumerGroups_result(__VA_ARGS__)
#define rd_kafka_event_destroy(...) dk_rdkafka.rd_kafka_event_destroy(__VA_ARGS__)
#define rd_kafka_event_error(...) dk_rdkafka.rd_kafka_event_error(__VA_ARGS__)
#define rd_kafka_event_error_string(...) dk_rdkafka.rd_kafka_event_error_string(__VA_ARGS__)
#define rd_kafka_event_message_count(...) dk_rdkafka.rd_kafka_event_message_count(__VA_ARGS__)
#define rd_kafka_event_message_next(...) dk_rdkafka.rd_kafka_event_message_next(__VA_ARGS__)
#define rd_kafka_event_type(...) dk_rdkafka.rd_kafka_event_type(__VA_ARGS__)
#define rd_kafka_fatal_error(...) dk_rdkafka.rd_kafka_fatal_error(__VA_ARGS__)
#define rd_kafka_header_get_last(...) dk_rdkafka.rd_kafka_header_get_last(__VA_ARGS__)
#define rd_kafka_incremental_assign(...) dk_rdkafka.rd_kafka_incremental_assign(__VA_ARGS__)
#define rd_kafka_incremental_unassign(...) dk_rdkafka.rd_kafka_incremental_unassign(__VA_ARGS__)
#define rd_kafka_init_transactions(...) dk_rdkafka.rd_kafka_init_transactions(__VA_ARGS__)
#define rd_kafka_last_error(...) dk_rdkafka.rd_kafka_last_error(__VA_ARGS__)
#define rd_kafka_mem_free(...) dk_rdkafka.rd_kafka_mem_free(__VA_ARGS__)
#define rd_kafka_memberid(...) dk_rdkafka.rd_kafka_memberid(__VA_ARGS__)
#define rd_kafka_message_destroy(...) dk_rdkafka.rd_kafka_message_destroy(__VA_ARGS__)
#define rd_kafka_message_errstr(...) dk_rdkafka.rd_kafka_message_errstr(__VA_ARGS__)
#define rd_kafka_message_headers(...) dk_rdkafka.rd_kafka_message_headers(__VA_ARGS__)
#define rd_kafka_message_status(...) dk_rdkafka.rd_kafka_message_status(__VA_ARGS__)
#define rd_kafka_message_timestamp(...) dk_rdkafka.rd_kafka_message_timestamp(__VA_ARGS__)
#define rd_kafka_metadata(...) dk_rdkafka.rd_kafka_metadata(__VA_ARGS__)
#define rd_kafka_metadata_destroy(...) dk_rdkafka.rd_kafka_metadata_destroy(__VA_ARGS__)
#define rd_kafka_new(...) dk_rdkafka.rd_kafka_new(__VA_ARGS__)
#define rd_kafka_offsets_for_times(...) dk_rdkafka.rd_kafka_offsets_for_times(__VA_ARGS__)
#define rd_kafka_pause_partitions(...) dk_rdkafka.rd_kafka_pause_partitions(__VA_ARGS__)
#define rd_kafka_poll(...) dk_rdkafka.rd_kafka_poll(__VA_ARGS__)
#define rd_kafka_poll_set_consumer(...) dk_rdkafka.rd_kafka_poll_set_consumer(__VA_ARGS__)
#define rd_kafka_produceva(...) dk_rdkafka.rd_kafka_produceva(__VA_ARGS__)
#define rd_kafka_purge(...) dk_rdkafka.rd_kafka_purge(__VA_ARGS__)
#define rd_kafka_queue_destroy(...) dk_rdkafka.rd_kafka_queue_destroy(__VA_ARGS__)
#define rd_kafka_queue_get_consumer(...) dk_rdkafka.rd_kafka_queue_get_consumer(__VA_ARGS__)
#define rd_kafka_queue_get_main(...) dk_rdkafka.rd_kafka_queue_get_main(__VA_ARGS__)
#define rd_kafka_queue_io_event_enable(...) dk_rdkafka.rd_kafka_queue_io_event_enable(__VA_ARGS__)
#define rd_kafka_queue_new(...) dk_rdkafka.rd_kafka_queue_new(__VA_ARGS__)
#define rd_kafka_queue_poll(...) dk_rdkafka.rd_kafka_queue_poll(__VA_ARGS__)
#define rd_kafka_queue_yield(...) dk_rdkafka.rd_kafka_queue_yield(__VA_ARGS__)
#define rd_kafka_subscribe(...) dk_rdkafka.rd_kafka_subscribe(__VA_ARGS__)
#define rd_kafka_topic_destroy(...) dk_rdkafka.rd_kafka_topic_destroy(__VA_ARGS__)
#define rd_kafka_topic_new(...) dk_rdkafka.rd_kafka_topic_new(__VA_ARGS__)
#define rd_kafka_topic_partition_list_add(...) dk_rdkafka.rd_kafka_topic_partition_list_add(__VA_ARGS__)
#define rd_kafka_topic_partition_list_destroy(...) dk_rdkafka.rd_kafka_topic_partition_list_destroy(__VA_ARGS__)
#define rd_kafka_topic_partition_list_new(...) dk_rdkafka.rd_kafka_topic_partition_list_new(__VA_ARGS__)
#define rd_kafka_topic_result_error(...) dk_rdkafka.rd_kafka_topic_result_error(__VA_ARGS__)
#define rd_kafka_topic_result_error_string(...) dk_rdkafka.rd_kafka_topic_result_error_string(__VA_ARGS__)
/* clang-format on */
#endif

#endif
