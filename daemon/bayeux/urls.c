/*
 * Selects among the URLs of one server. All are tried before the first is tried again.
 * A server that answers, but refuses us, is not a reason to use the next URL.
 */
#include "bayeux/urls.h"

void urls_init(struct urls *u, const struct session_options *o)
{
	*u = (struct urls){.n = o->n_urls ? o->n_urls : 1, .limit = o->url_failures,
			   .pause = o->url_retry};
	for (size_t i = 0; i < o->n_transports; i++)
		u->transports |= 1u << o->transports[i];
}

bool urls_blames(const struct session_failure *f)
{
	switch (f->http_status) {
	case 401:
	case 403:
	case 407:
	case 413:
	case 429:
		/* as the answer to an upgrade it may mean that only long-polling works here */
		return f->unsupported;
	default:
		return f->kind != SESSION_TOO_LARGE;
	}
}

static void enter(struct urls *u, size_t i)
{
	u->current = i;
	u->failures = 0;
	u->tried = 0;
	u->good = false;
}

static enum urls_verdict go_on(struct urls *u, uint64_t now)
{
	if (u->current == 0)
		u->first_at = u->pause == UINT64_MAX ? UINT64_MAX : now + u->pause;
	enter(u, (u->current + 1) % u->n);
	return u->current == 0 ? URLS_ROUND : URLS_NEXT;
}

enum urls_verdict urls_failed(struct urls *u, enum session_transport which, uint64_t now)
{
	u->tried |= 1u << which;
	if (u->n < 2 || ++u->failures < u->limit)
		return URLS_STAY;
	return u->tried == u->transports ? go_on(u, now) : URLS_TRANSPORT;
}

enum urls_verdict urls_failed_shared(struct urls *u, uint64_t now)
{
	return u->n < 2 || ++u->failures < u->limit ? URLS_STAY : go_on(u, now);
}

void urls_good(struct urls *u)
{
	u->failures = 0;
	u->tried = 0;
	u->good = true;
}

bool urls_first_due(const struct urls *u, uint64_t now)
{
	return u->current != 0 && u->good && u->first_at <= now;
}

void urls_go_first(struct urls *u)
{
	enter(u, 0);
}

void urls_resume(struct urls *u, size_t url, uint64_t now)
{
	enter(u, url);
	u->good = true;
	u->first_at = u->pause == UINT64_MAX ? UINT64_MAX : now + u->pause;
}
