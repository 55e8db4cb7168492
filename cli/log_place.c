/* log_place.c - see log_place.h */
#include "cli/log_place.h"

enum dk_status cli_log_place(struct dk_place *place, const char *operand, const char *dir,
                             const char **uri, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    *uri = operand;
    if (operand == NULL) {
        status = dk_place_find(place, dir, false, err);
        *uri = place->log_uri;
    }
    return status;
}
