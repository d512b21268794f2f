/*
 * An extension for cometd-bridged that shows everything an extension can do: it adds the tenant to the `ext` of
 * every request, wraps what is published on some channels and unwraps what is received there, blocks publishes to
 * private channels, and supplies a token.
 *
 *     cc -shared -fPIC $(pkg-config --cflags cometd-bridge) -o tenant.so tenant.c
 *     install -D tenant.so /usr/lib/cometd-bridge/tenant.so
 *
 *     [server demo]
 *     url = https://example.com/cometd
 *     extension = tenant @/etc/cometd-bridge/tenant
 *     credential-extension = tenant
 *
 * Its configuration is words KEY=VALUE, separated by blanks or lines:
 *
 *     tenant=NAME         letters, digits, "-" and "_"
 *     wrap=/CHANNEL/      data of these channels travels as {"tenant":NAME,"data":…}
 *     private=/CHANNEL/   nothing of these channels goes out or comes in
 *     token=TEXT          the credential; of several, the next one when one is rejected
 */
#include <cometd-bridge-extension.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 8
#define WORD_MAX 256
#define BLANKS " \t\r\n"

struct tenant {
	const struct cometd_extension_host *host;
	char name[WORD_MAX];            /* as JSON, with its quotation marks */
	char wrap[WORD_MAX], private[WORD_MAX];
	char tokens[TOKENS_MAX][WORD_MAX];
	unsigned n_tokens, given;
};

/* ---- configuration ---- */

static int is_name(const char *s, size_t n)
{
	static const char letters[] =
		"-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t i;

	for (i = 0; i < n; i++)
		if (!memchr(letters, s[i], sizeof(letters) - 1))
			return 0;
	return n > 0;
}

/* Copies the value of "KEY=VALUE" when the word has that key. */
static int take(const char *word, size_t n, const char *key, char to[WORD_MAX])
{
	size_t k = strlen(key);

	if (n <= k || n - k >= WORD_MAX || memcmp(word, key, k) != 0)
		return 0;
	memcpy(to, word + k, n - k);
	to[n - k] = '\0';
	return 1;
}

static int take_word(struct tenant *t, const char *word, size_t n)
{
	char name[WORD_MAX];

	if (take(word, n, "tenant=", name) && is_name(name, strlen(name)))
		return snprintf(t->name, sizeof(t->name), "\"%.*s\"", WORD_MAX - 3, name) > 0;
	if (t->n_tokens < TOKENS_MAX && take(word, n, "token=", t->tokens[t->n_tokens]))
		return (int)++t->n_tokens;
	return take(word, n, "wrap=", t->wrap) || take(word, n, "private=", t->private);
}

/* 0, or -EINVAL and why. The words are not repeated: one may be a token. */
static int configure(struct tenant *t, const char *config, char *why, size_t why_size)
{
	unsigned number = 1;
	size_t n;

	for (;; config += n, number++) {
		config += strspn(config, BLANKS);
		n = strcspn(config, BLANKS);
		if (n == 0)
			break;
		if (!take_word(t, config, n)) {
			snprintf(why, why_size, "word %u of its configuration is none of tenant=NAME "
				 "wrap=CHANNEL private=CHANNEL token=TEXT", number);
			return -EINVAL;
		}
	}
	if (t->name[0])
		return 0;
	snprintf(why, why_size, "its configuration has no tenant=NAME");
	return -EINVAL;
}

static int create(const struct cometd_extension_host *host, const char *server, const char *config,
		  size_t config_len, void **ret_self, char *why, size_t why_size)
{
	struct tenant *t = calloc(1, sizeof(*t));
	char text[64 + WORD_MAX];
	int r;

	(void)config_len;
	if (!t)
		return -ENOMEM;
	t->host = host;
	r = configure(t, config, why, why_size);
	if (r) {
		free(t);
		return r;
	}
	snprintf(text, sizeof(text), "speaks for tenant %s at server %.32s", t->name, server);
	host->log(host, COMETD_EXTENSION_INFO, text);
	*ret_self = t;
	return 0;
}

static void destroy(void *self)
{
	free(self);
}

/* ---- messages ---- */

static int is_below(struct cometd_extension_text channel, const char *prefix)
{
	size_t n = strlen(prefix);

	return n > 0 && channel.n >= n && memcmp(channel.p, prefix, n) == 0;
}

/* {"tenant":NAME,"data":…} in place of the data */
static int wrap(struct tenant *t, struct cometd_extension_message *m)
{
	struct cometd_extension_text data;
	size_t size;
	char *text;
	int n, r;

	r = t->host->field(m, "data", &data);
	if (r <= 0)
		return r;
	size = data.n + strlen(t->name) + 32;
	text = malloc(size);
	if (!text)
		return -ENOMEM;
	n = snprintf(text, size, "{\"tenant\":%s,\"data\":%.*s}", t->name, (int)data.n, data.p);
	r = t->host->set_data(m, text, (size_t)n);
	free(text);
	return r;
}

/* The other way round; what is not of this form stays as it is. */
static int unwrap(struct tenant *t, struct cometd_extension_message *m)
{
	static const char begin[] = "{\"tenant\":", middle[] = ",\"data\":";
	struct cometd_extension_text data;
	size_t n, name = strlen(t->name);
	int r = t->host->field(m, "data", &data);

	n = sizeof(begin) - 1 + name + sizeof(middle) - 1;
	if (r <= 0 || data.n <= n + 1)
		return r < 0 ? r : 0;
	if (memcmp(data.p, begin, sizeof(begin) - 1) != 0 ||
	    memcmp(data.p + sizeof(begin) - 1, t->name, name) != 0 ||
	    memcmp(data.p + n - sizeof(middle) + 1, middle, sizeof(middle) - 1) != 0)
		return 0;
	return t->host->set_data(m, data.p + n, data.n - n - 1);
}

static int outgoing(void *self, struct cometd_extension_message *m)
{
	struct tenant *t = self;
	int r;

	if (is_below(m->channel, t->private) || is_below(m->subscription, t->private))
		/* an unsubscribe may not be deleted, and there is none without a subscribe */
		return m->kind == COMETD_EXTENSION_UNSUBSCRIBE ? COMETD_EXTENSION_PASS
							       : COMETD_EXTENSION_DELETE;
	r = t->host->set_ext(m, "tenant", t->name, strlen(t->name));
	if (r == 0 && m->kind == COMETD_EXTENSION_PUBLISH && is_below(m->channel, t->wrap))
		r = wrap(t, m);
	return r;
}

static int incoming(void *self, struct cometd_extension_message *m)
{
	struct tenant *t = self;

	if (m->kind != COMETD_EXTENSION_EVENT)
		return COMETD_EXTENSION_PASS;
	if (is_below(m->channel, t->private))
		return COMETD_EXTENSION_DELETE;
	return is_below(m->channel, t->wrap) ? unwrap(t, m) : COMETD_EXTENSION_PASS;
}

/* ---- the credential ---- */

static int credential(void *self)
{
	struct tenant *t = self;
	const char *token;

	if (t->n_tokens == 0)
		return t->host->credential_failed(t->host, "its configuration has no token=TEXT");
	token = t->tokens[t->given++ % t->n_tokens];
	return t->host->credential_ready(t->host, token, strlen(token), 0);
}

COMETD_EXTENSION_EXPORT const struct cometd_extension *cometd_bridge_extension(void)
{
	static const struct cometd_extension table = {
		COMETD_EXTENSION_ABI, sizeof(table), 0,
		create, destroy, outgoing, incoming, credential};

	return &table;
}
