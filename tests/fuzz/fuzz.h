/*
 * What every fuzz harness has: one function that takes any bytes and must
 * neither crash nor find a promise broken. With --enable-fuzzers libFuzzer
 * calls it; else driver.c does, with the seeds and mutations of them.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* directory of the seeds, below the top of the sources */
extern const char *const fuzz_seeds;

/* a broken promise ends the program; who runs it keeps the input */
#define FUZZ_CHECK(condition)                                                              \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                           \
		}                                                                          \
	} while (0)

#endif
