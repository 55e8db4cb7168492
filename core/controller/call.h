/* call.h - what is done with a call wherever it goes: to the leader (desk.h) or to a topic (door.h)
 */
#ifndef DK_CONTROLLER_CALL_H
#define DK_CONTROLLER_CALL_H

#include "controller/intake.h"
#include "log/blobs.h"

/* Of a submission: script, environment and arguments are put into the store, and their digests into
 * the spec; they live in the call's arena. Durable after dk_blobs_sync. DK_FULL. */
enum dk_status dk_call_keep_scripts(struct dk_call *call, struct dk_request *request,
                                    struct dk_blobs *blobs, struct dk_err *err);

/* Answers one that intake did not let pass. */
void dk_call_refuse(struct dk_call *call);

#endif
