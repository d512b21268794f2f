/*
 * Any bytes as a configuration file. Either it is valid and there is a server and a
 * default one, or every error has its line, in UTF-8.
 */
#include "config/config.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/config";

static char path[32];

/* One file in memory for all runs, read by its path: written to a disk, it would take most of the
   time. */
static int file(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("config", MFD_CLOEXEC);
		FUZZ_CHECK(fd >= 0 && fchmod(fd, 0600) == 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	return fd;
}

static void check_config(const struct config *c)
{
	unsigned n = 0, defaults = 0;

	LIST_EACH(s, &c->servers, struct config_server, link) {
		FUZZ_CHECK(s->name && s->name[0] && strlen(s->name) <= PROTOCOL_NAME_MAX);
		FUZZ_CHECK(s->upstream.urls.n > 0);
		defaults += s->upstream.is_default;
		n++;
	}
	FUZZ_CHECK(n > 0 && defaults == 1);
	FUZZ_CHECK(c->listener.path && c->listener.path[0] == '/');
}

static void check_words(char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		FUZZ_CHECK(utf8_valid(slice_of(texts[i])));
		FUZZ_CHECK(strncmp(texts[i], path, strlen(path)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct config_report report;
	struct config *config = NULL;
	int r;

	FUZZ_CHECK(ftruncate(file(), 0) == 0 && pwrite(file(), data, n, 0) == (ssize_t)n);
	config_report_init(&report);
	r = config_load(path, &report, &config);
	FUZZ_CHECK(r == 0 || r == CONFIG_E_INVALID);
	FUZZ_CHECK((r == 0) == (report.n_errors == 0) && (r == 0) == (config != NULL));
	check_words(report.errors, report.n_errors);
	check_words(report.warnings, report.n_warnings);
	if (config)
		check_config(config);
	config_free(config);
	config_report_fini(&report);
	return 0;
}
