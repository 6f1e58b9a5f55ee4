/* What every cmocka program needs, in the order in which cmocka wants it. */
#ifndef PENSTOCK_TESTS_CMOCKA_TEST_H
#define PENSTOCK_TESTS_CMOCKA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(found, wanted, within) \
	near_or_fail(found, wanted, within, #found, __FILE__, __LINE__)

static inline void near_or_fail(double found, double wanted, double within, const char *what,
				const char *file, int line)
{
	if (found - wanted <= within && wanted - found <= within)
		return;
	print_error("%s is %.9g, and not %.9g within %g\n", what, found, wanted, within);
	_fail(file, line);
}

#endif
