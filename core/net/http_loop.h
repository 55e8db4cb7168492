/* http_loop.h - a daemon of libmicrohttpd run by a thread of ours, of http.c only
 *
 * The library would run it too. But its loop over epoll (0.9.75) takes 128 events at a time, and
 * when that many came at once it waits for more before it looks at them, for as long as nothing
 * else happens: 128 clients of one door, all waiting, stood still for seconds. Called from outside
 * it does not wait, so the waiting is done here. */
#ifndef DK_NET_HTTP_LOOP_H
#define DK_NET_HTTP_LOOP_H

#include <microhttpd.h>

struct dk_http_loop;

/* Takes the daemon, which was started with MHD_USE_EPOLL and no thread of its own. `nice` is added
 * to the niceness of the thread. *out is there before the first handler is called. */
void dk_http_loop_start(struct dk_http_loop **out, struct MHD_Daemon *daemon, int nice);
/* From any thread, after MHD_resume_connection, which by itself is not noticed. */
void dk_http_loop_wake(struct dk_http_loop *loop);
/* In the thread itself, when a connection was closed: the library listens again only when it is run
 * once more, if the closed one was the last that it could have. */
void dk_http_loop_again(struct dk_http_loop *loop);
/* Ends the thread and stops the daemon. Every suspended connection was resumed. NULL is fine. */
void dk_http_loop_stop(struct dk_http_loop *loop);

#endif
