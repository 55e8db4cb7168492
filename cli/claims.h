/* claims.h - files of checkpoints, and the keys that they are held against (decision 0016) */
#ifndef DK_CLI_CLAIMS_H
#define DK_CLI_CLAIMS_H

#include "batch/checkpoint.h"

struct cli_claims {
    struct dk_claim *items;
    size_t count, capacity;
};

/* Adds the checkpoints of a file, one a line. DK_INVALID: a line is none; the text says which. */
enum dk_status cli_claims_read(struct cli_claims *claims, const char *path, struct dk_err *err);
void cli_claims_release(struct cli_claims *claims);

/* The same of several files, apart by commas; then FORGED and OTHER_KEY are decided by the public
 * keys in the files `keys`. */
enum dk_status cli_claims_open(struct cli_claims *claims, const char *paths, const char *keys,
                               struct dk_err *err);

bool cli_claim_fits(const struct dk_checkpoint *checkpoint); /* its signature, its own key */

bool cli_claims_hold(const struct cli_claims *claims); /* each of them */
void cli_claims_print(const struct cli_claims *claims);
void cli_claims_print_json(const struct cli_claims *claims); /* a list */

#endif
