/*
 * Included by every unit test: cmocka with its prerequisites, and an
 * allocator that can be made to fail. The linker's --wrap sends the
 * allocations of our own objects here; those of libc and of other libraries
 * are untouched.
 *
 * An allocation test runs one piece of work again and again, failing the
 * first allocation, then the second, until the work no longer meets the
 * failing one:
 *
 *     FAIL_EACH_ALLOCATION {
 *             int r = thing_new(&t);
 *             if (r) { assert_int_equal(r, -ENOMEM); continue; }
 *             thing_free(t);
 *     }
 */
#ifndef TESTS_TESTING_H
#define TESTS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Built with AddressSanitizer, which gcc and clang each show in their own way. */
#ifdef __SANITIZE_ADDRESS__
#define WITH_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef WITH_ADDRESS_SANITIZER
#define WITH_ADDRESS_SANITIZER 0
#endif

/* Lets `n` allocations succeed and fails the one after; all later ones succeed. */
void testing_fail_allocation(unsigned n);
/* No allocation fails from now on; true when the failing one was reached. */
bool testing_allocation_failed(void);

/* Takes `seq` out of each confirmed channel in a reply, or event, whose " are ': only test_hub_interest looks at it. */
void leave_out_positions(char *text);

/* Runs its body with allocation 0, 1, 2, … failing, until one run met no failure. */
#define FAIL_EACH_ALLOCATION                                                             \
	for (unsigned fail_at_ = 0, more_ = 1;                                           \
	     more_ && (testing_fail_allocation(fail_at_), true);                         \
	     more_ = testing_allocation_failed(), fail_at_++)

#endif
