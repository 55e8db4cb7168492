/* views.h - live views as text, to be compared (views.c) */
#ifndef DK_SIM_VIEWS_H
#define DK_SIM_VIEWS_H

#include "projections/live.h"

/* All that can be asked of it. It forgets what it had to say to nodes that have asked before: give
 * it a copy. */
void views_print(struct dk_live *live, struct dk_buf *out);

#endif
