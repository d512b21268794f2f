/*
 * Configurations as texts: each test has a directory of its own with main.conf and
 * other files, loads it, and compares the error messages.
 */
#ifndef TESTS_CONFIG_TEXT_H
#define TESTS_CONFIG_TEXT_H

#include "config/config.h"
#include "tests/unit/testing.h"

/* the least that is right; two lines */
#define MINIMAL "[server demo]\nurl = http://127.0.0.1:8080/cometd\n"

extern char directory[64], main_file[96];

/* for cmocka */
int config_text_setup(void **state);
int config_text_teardown(void **state);
#define CONFIG_TEST(name)                                                                          \
	cmocka_unit_test_setup_teardown(name, config_text_setup, config_text_teardown)

/* A file in the directory. */
void put_bytes(const char *name, const void *bytes, size_t n);
void put_text(const char *name, const char *text);

/* Loads main.conf, which must be right and deserve no warning. */
struct config *load(void);
struct config *load_text(const char *text);
/* the first one */
struct config_server *server(struct config *c);

/* Loads main.conf, which must be wrong: the first error is "FILE[:LINE]: …words…". */
void assert_wrong(unsigned line, const char *words);
void assert_text_wrong(const char *text, unsigned line, const char *words);

#endif
