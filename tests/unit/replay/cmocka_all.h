/* cmocka_all.h - cmocka wants these before it */
#ifndef DK_TEST_CMOCKA_ALL_H
#define DK_TEST_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
