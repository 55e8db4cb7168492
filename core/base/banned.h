/* banned.h - calls that can't be made safe become compile errors that name themselves
 *
 * Every file is compiled with this in front of it (-include, in the top CMakeLists.txt). The names
 * are only declared, as deprecated: any use is a warning, and warnings are errors. Poisoning them,
 * or macros of the same names, would break the system's own headers, which declare them too. Tests
 * may use them: theirs is the only input (DOCKET_BANNED_ALLOWED).
 */
#ifndef DK_BASE_BANNED_H
#define DK_BASE_BANNED_H

#ifndef DOCKET_BANNED_ALLOWED

#include <stddef.h>

#define DK_BANNED(instead) __attribute__((deprecated("banned (base/banned.h): " instead)))

char *strcpy(char *, const char *) DK_BANNED("use memcpy with a known size, or dk_buf");
char *strcat(char *, const char *) DK_BANNED("use dk_buf");
char *strncat(char *, const char *, size_t) DK_BANNED("use dk_buf");
char *strtok(char *, const char *) DK_BANNED("it has hidden state");
int sprintf(char *, const char *, ...) DK_BANNED("use snprintf, or dk_buf");
char *gets(char *) DK_BANNED("it has no limit");
int atoi(const char *) DK_BANNED("use strtoll and look at its end");
long atol(const char *) DK_BANNED("use strtoll and look at its end");
double atof(const char *) DK_BANNED("use strtod and look at its end");
int rand(void) DK_BANNED("use dk_prng, which has a seed");
void srand(unsigned int) DK_BANNED("use dk_prng, which has a seed");
char *tmpnam(char *) DK_BANNED("use mkdtemp or mkstemp");

#endif
#endif
