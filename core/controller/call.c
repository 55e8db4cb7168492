/* call.c - what is done with a call wherever it goes (call.h) */
#include "controller/call.h"

/* What is kept goes no further. */
static void drop_bytes(struct dk_submit_job *submit)
{
    submit->script.size = submit->environment.size = submit->arguments.size = 0;
}

enum dk_status dk_call_keep_scripts(struct dk_call *call, struct dk_request *request,
                                    struct dk_secrets *secrets, struct dk_err *err)
{
    enum dk_status status;

    if (request->type != DK_REQUEST_SUBMIT_JOB)
        return DK_OK;
    status = dk_secrets_keep(secrets, call->actor.uid, &call->arena, &request->submit_job, err);
    drop_bytes(&request->submit_job);
    return status;
}

void dk_call_refuse(struct dk_call *call)
{
    dk_http_fail(call->exchange, call->refused,
                 call->refused == 413 ? "TOO_LARGE" : dk_reject_reason_name(call->reason), "%.*s",
                 (int)call->why.size, call->why.data);
}
