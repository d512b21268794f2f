/*
 * An extension for test_plugin: the name of a channel selects what it does with a
 * message, the configuration what it does otherwise. Built several times, each time
 * with another fault in its table of functions.
 */
#include <cometd-bridge-extension.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef MODULE_ABI
#define MODULE_ABI COMETD_EXTENSION_ABI
#endif
#ifndef MODULE_SIZE
#define MODULE_SIZE sizeof(struct cometd_extension)
#endif
#ifndef MODULE_FLAGS
#define MODULE_FLAGS 0
#endif

struct module {
	const struct cometd_extension_host *host;
	char config[64];
	struct cometd_extension_message *kept;
	char big[80000];
};

static void log_text(struct module *x, const char *text)
{
	x->host->log(x->host, COMETD_EXTENSION_NOTICE, text);
}

static void called_back(void *self, void *arg)
{
	(void)arg;
	log_text(self, "called back");
}

/* calls it as often as allowed, then as configured */
static void call_often(struct module *x)
{
	char text[64];
	int r, n = 0;

	while ((r = x->host->call_later(x->host, 1, called_back, NULL)) == 0)
		n++;
	snprintf(text, sizeof(text), "%d calls, then %d", n, r);
	log_text(x, text);
}

static int create(const struct cometd_extension_host *host, const char *server, const char *config,
		  size_t config_len, void **ret_self, char *why, size_t why_size)
{
	struct module *x;

	if (config[config_len] != '\0' || strcmp(server, "demo") != 0)
		return -EPROTO;
	if (strcmp(config, "refuse") == 0)
		return snprintf(why, why_size, "refused as configured"), -EINVAL;
	if (strcmp(config, "refuse silently") == 0)
		return -EACCES;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->host = host;
	snprintf(x->config, sizeof(x->config), "%s", config);
	memset(x->big, '1', sizeof(x->big));
	*ret_self = x;
	if (strcmp(config, "many") == 0)
		call_often(x);
	return 0;
}


static void destroy(void *self)
{
	struct module *x = self;

	log_text(x, "destroyed");
	x->host->call_later(x->host, 0, called_back, NULL);
	free(x);
}

/* ---- messages ---- */

static int is(const struct cometd_extension_message *m, const char *word)
{
	return memmem(m->channel.p, m->channel.n, word, strlen(word)) ||
	       memmem(m->subscription.p, m->subscription.n, word, strlen(word));
}

/* Adds the first letter of its configuration to the member "trace". */
static int trace(struct module *x, struct cometd_extension_message *m)
{
	struct cometd_extension_text was;
	char text[64];
	int r = x->host->ext(m, "trace", &was);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%.*s%.1s\"", r == 1 ? (int)was.n - 1 : 1,
		 r == 1 ? was.p : "\"", x->config);
	return x->host->set_ext(m, "trace", text, strlen(text));
}

static int read_fields(struct module *x, struct cometd_extension_message *m)
{
	static const char *const names[] = {"channel", "id", "data", "ext", "x", "nothing"};
	char text[256] = "";
	size_t i, n = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct cometd_extension_text field;
		int r = x->host->field(m, names[i], &field);

		if (r < 0)
			return r;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%.*s ", names[i],
				      r ? (int)field.n : 1, r ? field.p : "-");
	}
	snprintf(text + n, sizeof(text) - n, "%d %d %.*s", m->kind, m->incoming, (int)m->id.n,
		 m->id.p);
	log_text(x, text);
	return 0;
}

/* What it got from the host, given back to it. */
static int twist(struct module *x, struct cometd_extension_message *m)
{
	struct cometd_extension_text t;
	int r = x->host->set_data(m, "[1,[2,3]]", 9);

	if (!r && x->host->field(m, "data", &t) == 1)
		r = x->host->set_data(m, t.p + 3, 5);
	if (!r && x->host->field(m, "data", &t) == 1)
		r = x->host->set_ext(m, "d", t.p, t.n);
	if (!r && x->host->ext(m, "d", &t) == 1)
		r = x->host->set_ext(m, "e\"\\", t.p + 1, 1);
	if (!r && x->host->ext(m, "d", &t) == 1)
		r = x->host->set_ext(m, "d", t.p + 1, 1);
	return r;
}

static void nap(void)
{
	const struct timespec t = {0, (COMETD_EXTENSION_SLOW_MS + 10) * 1000000L};

	nanosleep(&t, NULL);
}

/* Each of them ignores that the host refused it. */
static void misuse(struct module *x, struct cometd_extension_message *m)
{
	const struct cometd_extension_host *h = x->host;
	static const char deep[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
	/* the first one is right, and undone with the others */
	h->set_ext(m, "trace", "\"x\"", 3);
	if (is(m, "garbage-data"))
		h->set_data(m, "{]", 2);
	if (is(m, "two-values"))
		h->set_data(m, "1 2", 3);
	if (is(m, "inject-data"))
		h->set_data(m, "1,\"channel\":\"/evil\"", 19);
	if (is(m, "inject-same"))
		h->set_data(m, "1,\"data\":2", 10);
	if (is(m, "no-value"))
		h->set_data(m, "", 0);
	if (is(m, "bad-utf8"))
		h->set_data(m, "\"\xff\"", 3);
	if (is(m, "deep-data"))
		h->set_data(m, deep, sizeof(deep) - 1);
	if (is(m, "garbage-ext"))
		h->set_ext(m, "a", "nul", 3);
	if (is(m, "inject-ext"))
		h->set_ext(m, "a", "1,\"b\":2", 7);
	if (is(m, "close-ext"))
		h->set_ext(m, "a", "1},\"data\":{\"b\":2", 16);
	if (is(m, "deep-ext"))
		h->set_ext(m, "a", deep + 1, sizeof(deep) - 3);
	if (is(m, "no-name"))
		h->set_ext(m, "", "1", 1);
	if (is(m, "bad-name"))
		h->set_ext(m, "\xff", "1", 1);
	if (is(m, "reserved"))
		h->set_ext(m, "ack", "1", 1);
	if (is(m, "too-much"))
		h->set_ext(m, "a", x->big, COMETD_EXTENSION_EXT_MAX + 1);
	if (is(m, "too-often")) {
		h->set_ext(m, "a", x->big, 40000);
		h->set_ext(m, "b", x->big, 40000);
	}
	if (is(m, "kept") && x->kept)
		h->set_ext(x->kept, "a", "1", 1);
	x->kept = m;
}

static int look(void *self, struct cometd_extension_message *m)
{
	struct module *x = self;

	if (is(m, "misuse"))
		misuse(x, m);
	if (is(m, "trace"))
		return trace(x, m);
	if (is(m, "read"))
		return read_fields(x, m);
	if (is(m, "twist"))
		return twist(x, m);
	if (is(m, "slow"))
		nap();
	if (is(m, "chatter"))
		x->host->log(x->host, (enum cometd_extension_level)0, "chatter\n<3>forged");
	if (is(m, "data") && !is(m, "misuse"))
		return x->host->set_data(m, " {\"n\":9007199254740993}\n", 24);
	if (is(m, "big"))
		return x->host->set_ext(m, "big", x->big, COMETD_EXTENSION_EXT_MAX - 3);
	if (is(m, "/fail"))
		return -EIO;
	if (is(m, "/odd"))
		return 7;
	return is(m, "/delete") ? COMETD_EXTENSION_DELETE : COMETD_EXTENSION_PASS;
}

/* ---- credentials ---- */

static void ready(void *self, void *arg)
{
	struct module *x = self;
	char text[64];
	int r = x->host->credential_ready(x->host, arg, strlen(arg), 60000);

	snprintf(text, sizeof(text), "ready: %d", r);
	log_text(x, text);
}

static int credential(void *self)
{
	struct module *x = self;

	if (strcmp(x->config, "now") == 0)
		ready(x, "token"), ready(x, "second");
	else if (strcmp(x->config, "later") == 0)
		return x->host->call_later(x->host, 1, ready, "token");
	else if (strcmp(x->config, "too late") == 0)
		return x->host->call_later(x->host, 60, ready, "token");
	else if (strcmp(x->config, "two lines") == 0)
		ready(x, "a\r\nb");
	else if (strcmp(x->config, "empty") == 0)
		ready(x, "");
	else if (strcmp(x->config, "failed") == 0)
		return x->host->credential_failed(x->host, "closed today");
	else if (strcmp(x->config, "error") == 0)
		return ready(x, "token"), -EACCES;
	return 0;
}

#ifndef MODULE_MUTE
COMETD_EXTENSION_EXPORT const struct cometd_extension *cometd_bridge_extension(void)
{
	static const struct cometd_extension table = {
		MODULE_ABI, MODULE_SIZE, MODULE_FLAGS, create, destroy,
#ifdef MODULE_IDLE
		NULL, NULL, NULL
#else
		look, look, credential
#endif
	};

#ifdef MODULE_NULL
	return NULL;
#endif
	return &table;
}
#endif
