/* who.h - names of users, looked up once each and remembered
 *
 * Thread-safe. Names seldom change, and where they come from may be slow.
 */
#ifndef DK_NET_WHO_H
#define DK_NET_WHO_H

#include <stdint.h>

#define DK_WHO_NAME_SIZE 64

struct dk_who;

struct dk_who *dk_who_create(void);
void dk_who_destroy(struct dk_who *who); /* NULL is fine */

/* The user's name; its number where there is none. */
void dk_who_name(struct dk_who *who, int32_t uid, char name[DK_WHO_NAME_SIZE]);

#endif
