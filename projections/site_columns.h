/* site_columns.h - the columns of nodes, partitions and configuration changes */
#ifndef DK_PROJECTIONS_SITE_COLUMNS_H
#define DK_PROJECTIONS_SITE_COLUMNS_H

#include "projections/live.h"

struct dk_site_column {
    const char *name;
    bool is_number;
    void (*write)(const void *row, struct dk_buf *out);
};

/* Each ends with a NULL name; rows are dk_node_row, dk_partition_row, dk_config_change. */
extern const struct dk_site_column dk_node_columns[], dk_partition_columns[], dk_change_columns[];

#endif
