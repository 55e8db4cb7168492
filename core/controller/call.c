/* call.c - what is done with a call wherever it goes (call.h) */
#include "controller/call.h"

/* Script, environment and arguments go beside the log; the spec gets their digests. The digest is
 * kept in the call's arena, for the event borrows it until the batch is closed. */
static enum dk_status keep_blob(struct dk_call *call, struct dk_bytes *bytes,
                                struct dk_bytes *digest, struct dk_blobs *blobs, struct dk_err *err)
{
    uint8_t *room;

    digest->size = 0; /* a digest is ours to make, never the client's */
    if (bytes->size == 0)
        return DK_OK;
    room = dk_arena_take(&call->arena, DK_BLOB_DIGEST_SIZE);
    *digest = (struct dk_bytes){ room, DK_BLOB_DIGEST_SIZE };
    return dk_blobs_put(blobs, bytes->data, bytes->size, room, err);
}

/* What is in the store goes no further. */
static void drop_bytes(struct dk_submit_job *submit)
{
    submit->script.size = submit->environment.size = submit->arguments.size = 0;
}

enum dk_status dk_call_keep_scripts(struct dk_call *call, struct dk_request *request,
                                    struct dk_blobs *blobs, struct dk_err *err)
{
    struct dk_submit_job *submit = &request->submit_job;
    struct dk_job_launch *launch = &submit->spec.launch;
    enum dk_status status;

    if (request->type != DK_REQUEST_SUBMIT_JOB)
        return DK_OK;
    status = keep_blob(call, &submit->script, &submit->spec.script, blobs, err);
    if (!submit->spec.has_launch && submit->script.size > 0) {
        *launch = (struct dk_job_launch){ .umask = 022 };
        submit->spec.has_launch = true;
    }
    if (status == DK_OK && submit->spec.has_launch)
        status = keep_blob(call, &submit->environment, &launch->environment, blobs, err);
    if (status == DK_OK && submit->spec.has_launch)
        status = keep_blob(call, &submit->arguments, &launch->arguments, blobs, err);
    drop_bytes(submit);
    return status;
}

void dk_call_refuse(struct dk_call *call)
{
    dk_http_fail(call->exchange, call->refused,
                 call->refused == 413 ? "TOO_LARGE" : dk_reject_reason_name(call->reason), "%.*s",
                 (int)call->why.size, call->why.data);
}
