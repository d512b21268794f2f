/*
 * Runs a fuzz harness without libFuzzer: every seed, every seed truncated at each byte,
 * and a fixed number of mutations of it (FUZZ_ROUNDS), the same ones each time. The input
 * of a crash is kept in fuzz-failure.bin. Arguments are files to be run unchanged.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS_MAX = 1000, INPUT_MAX = 1 << 16, ROUNDS_DEFAULT = 400 };

struct input {
	uint8_t *p;
	size_t n;
};

static struct input seeds[SEEDS_MAX];
static size_t n_seeds;
static unsigned long runs;
static struct input current;

static void keep_input(int sig)
{
	int fd = open("fuzz-failure.bin", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd >= 0 && write(fd, current.p, current.n) == (ssize_t)current.n)
		close(fd);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* from a block of just its size, so that sanitizers and valgrind see a read past the end */
static void run(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	FUZZ_CHECK(copy);
	memcpy(copy, p, n);
	current = (struct input){copy, n};
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	runs++;
}

static struct input load(const char *path)
{
	struct input in = {malloc(INPUT_MAX), 0};
	FILE *f = fopen(path, "rb");

	FUZZ_CHECK(in.p && f);
	in.n = fread(in.p, 1, INPUT_MAX, f);
	fclose(f);
	return in;
}

static void load_seeds(const char *top)
{
	char path[4096];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", top, fuzz_seeds);
	dir = opendir(path);
	FUZZ_CHECK(dir);
	while ((e = readdir(dir))) {
		char file[sizeof(path) + 300];

		if (e->d_name[0] == '.')
			continue;
		FUZZ_CHECK(n_seeds < SEEDS_MAX);
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		seeds[n_seeds++] = load(file);
	}
	closedir(dir);
}

/* xorshift: the same numbers on every machine */
static uint32_t random_below(uint32_t n)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32) % n;
}

/* puts `from` in place of `n` bytes at `at`, as far as there is room */
static void replace(struct input *in, size_t at, size_t n, const uint8_t *from, size_t n_from)
{
	if (in->n - n + n_from > INPUT_MAX)
		return;
	memmove(in->p + at + n_from, in->p + at + n, in->n - at - n);
	if (n_from)
		memcpy(in->p + at, from, n_from);
	in->n += n_from - n;
}

static void mutate(struct input *in)
{
	static const char *const words[] = {
		"\"", "\\", "{", "}", "[", "]", ",", ":", "\\u0000", "\\ud800", "\\udc00", "\xff",
		"\xc3", "null", "-", "0", "1e9", "18446744073709551616", "{\"a\":", "\"id\":1,",
		"\n", "=", " ",
	};
	size_t at = random_below((uint32_t)in->n + 1), left = in->n - at;
	size_t n = left ? random_below(left < 16 ? (uint32_t)left : 16) : 0;
	const struct input *other = &seeds[random_below((uint32_t)n_seeds)];
	const char *word = words[random_below(sizeof(words) / sizeof(words[0]))];
	size_t from = other->n ? random_below((uint32_t)other->n) : 0;
	uint8_t byte = (uint8_t)random_below(256);

	switch (random_below(5)) {
	case 0:
		replace(in, at, left ? 1 : 0, &byte, 1);
		break;
	case 1:
		replace(in, at, n, NULL, 0);
		break;
	case 2:
		replace(in, at, 0, (const uint8_t *)word, strlen(word));
		break;
	case 3:
		replace(in, at, n, other->p + from, other->n - from);
		break;
	case 4:
		if (left)
			in->p[at] ^= (uint8_t)(1u << random_below(8));
		break;
	}
}

static void torment(const struct input *seed, unsigned rounds)
{
	static uint8_t bytes[INPUT_MAX];

	for (size_t n = 0; n <= seed->n; n++)
		run(seed->p, n);
	for (unsigned i = 0; i < rounds; i++) {
		struct input in = {bytes, seed->n};

		memcpy(bytes, seed->p, seed->n);
		for (unsigned edits = 1 + random_below(4); edits; edits--)
			mutate(&in);
		run(in.p, in.n);
	}
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir"), *rounds = getenv("FUZZ_ROUNDS");

	signal(SIGABRT, keep_input);
	signal(SIGSEGV, keep_input);
	signal(SIGBUS, keep_input);
	for (int i = 1; i < argc; i++) {
		struct input in = load(argv[i]);

		run(in.p, in.n);
		free(in.p);
	}
	if (argc > 1)
		return 0;
	load_seeds(top ? top : ".");
	for (size_t i = 0; i < n_seeds; i++)
		torment(&seeds[i], rounds ? (unsigned)atoi(rounds) : ROUNDS_DEFAULT);
	for (size_t i = 0; i < n_seeds; i++)
		free(seeds[i].p);
	printf("%zu seeds, %lu inputs\n", n_seeds, runs);
	return n_seeds == 0;
}
