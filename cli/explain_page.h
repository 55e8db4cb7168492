/* explain_page.h - the answer of /v1/explain as a page for people
 *
 * The first line is the answer; what follows is why, the most telling first. Times are those of the
 * reader's zone.
 */
#ifndef DK_CLI_EXPLAIN_PAGE_H
#define DK_CLI_EXPLAIN_PAGE_H

#include "cli/listing.h"

/* Appends the page; false: `json` is not such an answer. */
bool cli_explain_page(const struct cli_style *style, const struct dk_buf *json, struct dk_buf *out);

#endif
