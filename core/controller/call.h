/* call.h - what is done with a call wherever it goes: to the leader (desk.h) or to a topic (door.h)
 */
#ifndef DK_CONTROLLER_CALL_H
#define DK_CONTROLLER_CALL_H

#include "controller/intake.h"
#include "controller/secrets.h"

/* Of a submission: script, environment and arguments are sealed and kept, and their digests put
 * into the spec; they live in the call's arena. Durable after dk_secrets_sync. DK_FULL. */
enum dk_status dk_call_keep_scripts(struct dk_call *call, struct dk_request *request,
                                    struct dk_secrets *secrets, struct dk_err *err);

/* Answers one that intake did not let pass. */
void dk_call_refuse(struct dk_call *call);

#endif
