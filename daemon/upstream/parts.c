/*
 * Makes the parts of one server from its options, and frees them. Nothing here is called after they are made.
 */
#include "upstream/parts.h"

#include "base/errors.h"
#include "upstream/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* the `ext` and the fields of requests of this kind */
static int set_members(struct session *s, enum session_ext kind, const struct upstream_options *o)
{
	int r = 0;

	if (o->ext[kind])
		r = session_set_ext(s, kind, slice_of(o->ext[kind]));
	if (r == 0 && o->fields[kind])
		r = session_set_fields(s, kind, slice_of(o->fields[kind]));
	return r;
}

static void mask_message(void *ctx, char *message, size_t n)
{
	struct parts *p = ctx;

	mask_messages(http_client_mask(p->client), message, n);
}

static int make_session(struct parts *p, const struct parts_users *users,
			const struct upstream_options *o)
{
	struct session_options session = o->session;

	session.credentials = p->auth != NULL;
	session.urls = sites_shown(p->sites);
	session.n_urls = sites_count(p->sites);
	session.message_max = o->http.body_max;
	session.mask = mask_message;
	session.mask_ctx = p;
	session.publish_apart = endpoints_publish_apart(&o->endpoints);
	if (getrandom(&session.seed, sizeof(session.seed), 0) != sizeof(session.seed))
		return -errno;
	int r = session_new(&session, users->session, &p->session);
	for (int i = 0; r == 0 && i < SESSION_EXTS; i++)
		r = set_members(p->session, (enum session_ext)i, o);
	return r;
}

static int make_transports(struct parts *p, const struct parts_users *users,
			   const struct upstream_options *o)
{
	struct transport_parts parts = {.loop = users->loop, .curl = users->curl, .client = p->client};

	websocket_options_default(&parts.websocket);
	parts.websocket.subprotocol = p->subprotocol;
	parts.websocket.compression = o->websocket_compression;
	parts.websocket.ping_interval = o->websocket_ping;
	return sites_open(p->sites, &parts, &users->transports);
}

static int add_url(void *ctx, const struct url *url)
{
	return cookie_jar_add_url(ctx, url);
}

static int make_cookies(struct parts *p, const struct parts_users *users,
			const struct cookie_jar_options *o)
{
	int r = cookie_jar_new(users->loop, p->client, users->name, o, &p->cookies);
	return r ? r : sites_each_url(p->sites, add_url, p->cookies);
}

static int make(struct parts *p, const struct parts_users *users, const struct upstream_options *o,
		struct fault *why)
{
	int r = ext_files_init(&p->ext_files, users->name, o->ext_files);

	if (r == 0)
		r = auth_copy(o->websocket_protocol, &p->subprotocol);
	if (r == 0)
		r = sites_new(o->urls.v, o->urls.n, &o->endpoints, &p->sites);
	if (r > 0)
		return fault_fail(why, -EINVAL, "%s", url_fault_text(r));
	if (r == 0)
		r = http_client_new(&o->http, &p->client);
	if (r == -EINVAL)
		fault_set(why, "a header is not of the form \"Name: value\", or is a header that the daemon sets itself");
	if (r == 0 && p->auth)
		http_client_set_credential(p->client, (struct http_credential){auth_header, p->auth});
	if (r == 0)
		r = make_cookies(p, users, &o->cookies);
	if (r == 0)
		r = make_session(p, users, o);
	if (r == 0)
		r = ext_files_secrets(&p->ext_files, o->ext[SESSION_EXT_HANDSHAKE], p->auth,
				      http_client_mask(p->client));
	return r ? r : make_transports(p, users, o);
}

DEFINE_FREEP(parts, parts_free)

int parts_new(const struct parts_users *users, const struct upstream_options *o, struct fault *why,
	      struct parts **ret)
{
	CLEANUP(parts_freep) struct parts *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		auth_free(o->auth);
		return -ENOMEM;
	}
	p->auth = o->auth;
	p->fingerprint = o->fingerprint;
	r = make(p, users, o, why);
	if (r)
		return r;
	*ret = TAKE(p);
	return 0;
}

void parts_free(struct parts *p)
{
	if (!p)
		return;
	if (p->sites)
		sites_close(p->sites);
	session_free(p->session);
	cookie_jar_free(p->cookies);
	http_client_free(p->client);
	auth_free(p->auth);
	sites_free(p->sites);
	ext_files_fini(&p->ext_files);
	free(p->subprotocol);
	free(p);
}
