/*
 * Messages as real servers write them, and as none should. Each text is put
 * into one line per message, and that line is what the table expects.
 */
#include "tests/unit/testing.h"

#include "bayeux/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kinds[] = {"meta", "event", "reply", "unknown"};

static void show(struct buf *out, const char *name, struct slice s)
{
	if (s.p)
		buf_printf(out, " %s=%.*s", name, SLICE_ARG(s));
}

static void show_batch(struct buf *out, const struct envelope_batch *b)
{
	static const char *const oks[] = {[JSON_TRUE] = " ok", [JSON_FALSE] = " failed"};
	for (size_t i = 0; i < b->n; i++) {
		const struct envelope *e = &b->items[i];
		buf_printf(out, "%s%s %.*s", i ? "|" : "", kinds[e->kind], SLICE_ARG(e->channel));
		if (e->successful != JSON_ABSENT)
			buf_put_str(out, oks[e->successful]);
		show(out, "id", e->id);
		show(out, "client", e->client_id);
		show(out, "sub", e->subscription);
		show(out, "error", e->error);
		show(out, "data", e->data);
		show(out, "advice", e->advice);
		show(out, "ext", e->ext);
		show(out, "types", e->connection_types);
		show(out, "min", e->minimum_version);
		if (e->x_messages)
			buf_printf(out, " x=%u", (unsigned)e->x_messages);
	}
	if (b->skipped)
		buf_printf(out, " skipped=%u", b->skipped);
	buf_putc(out, '\0');
}

static const struct {
	const char *text, *expect;
} table[] = {
	/* CometD Java */
	{"[{\"minimumVersion\":\"1.0\",\"clientId\":\"1ok6\",\"supportedConnectionTypes\":"
	 "[\"websocket\"],\"advice\":{\"interval\":0},\"channel\":\"/meta/handshake\",\"id\":\"1\","
	 "\"x-messages\":2,\"version\":\"1.0\",\"successful\":true}]",
	 "meta /meta/handshake ok id=1 client=1ok6 advice={\"interval\":0} types=[\"websocket\"] "
	 "min=1.0 x=2"},
	{"[{\"ext\":{\"q\":1},\"data\":{\"k\":1},\"channel\":\"/a/b\"},"
	 "{\"channel\":\"/a/b\",\"id\":\"9\",\"successful\":true}]",
	 "event /a/b data={\"k\":1} ext={\"q\":1}|reply /a/b ok id=9"},
	{"[{\"channel\":\"/meta/subscribe\",\"id\":\"s1\",\"subscription\":\"/deny/x\","
	 "\"error\":\"403:denied_by_security_policy:subscribe_denied\",\"successful\":false}]",
	 "meta /meta/subscribe failed id=s1 sub=/deny/x "
	 "error=403:denied_by_security_policy:subscribe_denied"},
	/* an answer to a call and the reply to it have the same id */
	{"[{\"data\":\"x\",\"channel\":\"/service/echo\",\"id\":\"e1\"},"
	 "{\"channel\":\"/service/echo\",\"id\":\"e1\",\"successful\":true}]",
	 "event /service/echo id=e1 data=\"x\"|reply /service/echo ok id=e1"},
	/* Faye: an event with the publisher's id; Salesforce: a disconnect of two words */
	{"[{\"channel\":\"/a/b\",\"data\":{\"k\":1},\"id\":\"6\"}]",
	"event /a/b id=6 data={\"k\":1}"},
	{"[{\"channel\":\"/meta/disconnect\"}]", "meta /meta/disconnect"},
	/* data decides, whatever it is and whatever other fields there are */
	{"[{\"channel\":\"/a\",\"data\":null},{\"channel\":\"/a\",\"data\":0},"
	 "{\"channel\":\"/a\",\"data\":false,\"successful\":true},{\"channel\":\"/a\","
	 "\"data\":\"\"}]",
	 "event /a data=null|event /a data=0|event /a ok data=false|event /a data=\"\""},
	{"[{\"channel\":\"/a\"},{\"channel\":\"/a\",\"id\":\"1\"}]", "unknown /a|unknown /a id=1"},
	/* a trailing slash goes from events, not from /meta/ */
	{"[{\"channel\":\"/a/b/\",\"data\":1}]", "event /a/b data=1"},
	/* a bare object, ids as numbers, escapes, odd types */
	{"{\"channel\":\"\\/a\\u002fb\",\"id\":28,\"data\":1}", "event /a/b id=28 data=1"},
	{"[{\"channel\":\"/a\\t\",\"data\":1,\"id\":\"\\u0031\"},{\"channel\":\"\\u002fb\","
	"\"data\":2}]",
	 "event /a\t id=1 data=1|event /b data=2"},
	{"[{\"channel\":\"/a\",\"successful\":null}]", "unknown /a"},
	{"[{\"channel\":\"/a\",\"successful\":\"true\",\"error\":[\"e\",1],\"advice\":7,"
	"\"ext\":[]}]",
	 "reply /a ok error=[\"e\",1]"},
	{"[{\"channel\":\"/a\",\"successful\":\"yes\"},{\"channel\":\"/a\",\"successful\":1}]",
	 "reply /a failed|reply /a failed"},
	{"[{\"channel\":\"/meta/subscribe\",\"subscription\":[\"/a\",\"/b\"],\"id\":null,"
	 "\"error\":\"\",\"x-messages\":-1}]",
	 "meta /meta/subscribe error="},
	/* bad elements cost only themselves */
	{"[7,null,[],\"x\",{},{\"channel\":5},{\"channel\":\"/a\",\"data\":1}]",
	 "event /a data=1 skipped=6"},
	{"[{\"channel\":\"/a\",\"data\":1,\"channel\":\"/b\"},{\"channel\":\"/c\",\"data\":1}]",
	 "event /c data=1 skipped=1"},
	{"[]", ""},
};

static void texts_become_messages(void **state)
{
	(void)state;
	struct envelope_batch b;
	struct buf out;
	envelope_batch_init(&b);
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(envelope_parse(&b, slice_of(table[i].text)), 0);
		buf_clear(&out);
		show_batch(&out, &b);
		assert_string_equal(buf_slice(&out).p, table[i].expect);
	}
	buf_fini(&out);
	envelope_batch_fini(&b);
}

static void a_text_cut_anywhere_has_no_messages(void **state)
{
	(void)state;
	struct envelope_batch b;
	envelope_batch_init(&b);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (size_t n = 0; n < strlen(table[i].text); n++) {
			assert_true(envelope_parse(&b, slice_make(table[i].text, n)) > 0);
			assert_int_equal(b.n, 0);
		}
	assert_true(envelope_parse(&b, SLICE("<html>busy</html>")) > 0);
	assert_true(envelope_parse(&b, SLICE("[{\"channel\":\"/a\",\"data\":1}]x")) > 0);
	assert_true(envelope_parse(&b, SLICE("[{\"channel\":\"/a\",\"data\":\"\xff\"}]")) > 0);
	assert_int_equal(b.n, 0);
	envelope_batch_fini(&b);
}

static void client_id_is_cut_out(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expect;
	} cuts[] = {
		{"{\"channel\":\"/a\",\"data\":1}", "{\"channel\":\"/a\",\"data\":1}"},
		{"{\"clientId\":\"s\",\"channel\":\"/a\"}", "{\"channel\":\"/a\"}"},
		{"{\"channel\":\"/a\",\"clientId\":\"s\"}", "{\"channel\":\"/a\"}"},
		{"{\"channel\":\"/a\",\"clientId\":\"s\",\"data\":{\"clientId\":2}}",
		 "{\"channel\":\"/a\",\"data\":{\"clientId\":2}}"},
		{"{ \"channel\":\"/a\" , \"clientId\" : null }", "{ \"channel\":\"/a\"  }"},
		{"{ \"clientId\" : [1,{\"a\":\",\"}] , \"channel\":\"/a\"}",
		"{  \"channel\":\"/a\"}"},
		{"{\"client\\u0049d\":\"s\",\"channel\":\"/a\"}", "{\"channel\":\"/a\"}"},
	};
	struct envelope_batch b;
	envelope_batch_init(&b);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		char out[200] = "";
		assert_int_equal(envelope_parse(&b, slice_of(cuts[i].text)), 0);
		assert_int_equal(b.n, 1);
		for (size_t k = 0; k < b.items[0].n_pieces; k++)
			strncat(out, b.items[0].pieces[k].p, b.items[0].pieces[k].n);
		assert_string_equal(out, cuts[i].expect);
		assert_true(slice_eq(b.items[0].raw, slice_of(cuts[i].text)));
	}
	envelope_batch_fini(&b);
}

static void errors_are_parsed(void **state)
{
	(void)state;
	static const struct {
		const char *error;
		unsigned code;
		const char *args, *text;
	} errors[] = {
		{"402::session_unknown", 402, "", "session_unknown"},
		{"403:denied_by_security_policy:subscribe_denied", 403, "denied_by_security_policy",
		 "subscribe_denied"},
		{"401:zzz:Unknown client", 401, "zzz", "Unknown client"},
		{"400::The replayId {7} is: bad", 400, "", "The replayId {7} is: bad"},
		{"500:no second colon", 500, "", "no second colon"},
		{"free text", 0, "", "free text"},
		{"12a::x", 0, "", "12a::x"},
		{"404", 0, "", "404"},
		{"404:", 404, "", ""},
		{"", 0, "", ""},
	};
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct envelope_error e = envelope_error_parse(slice_of(errors[i].error));
		assert_int_equal(e.code, errors[i].code);
		assert_true(slice_eq(e.args, slice_of(errors[i].args)));
		assert_true(slice_eq(e.text, slice_of(errors[i].text)));
	}
}

static void memory_may_be_short(void **state)
{
	(void)state;
	static const char text[] = "[{\"channel\":\"/a\\u002f\",\"data\":1,\"id\":\"\\u0031\"},"
				   "{\"channel\":\"/b\",\"data\":1},{\"channel\":\"/b\","
				   "\"data\":1},"
				   "{\"channel\":\"/b\",\"data\":1},{\"channel\":\"/b\","
				   "\"data\":1},"
				   "{\"channel\":\"/b\",\"data\":1},{\"channel\":\"/b\","
				   "\"data\":1},"
				   "{\"channel\":\"/b\",\"data\":1},{\"channel\":\"/b\","
				   "\"data\":1}]";
	FAIL_EACH_ALLOCATION {
		struct envelope_batch b;
		envelope_batch_init(&b);
		int r = envelope_parse(&b, slice_of(text));
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(b.n, r ? 0 : 9);
		if (r == 0)
			assert_true(slice_eq(b.items[0].channel, SLICE("/a")));
		envelope_batch_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_become_messages),
		cmocka_unit_test(a_text_cut_anywhere_has_no_messages),
		cmocka_unit_test(client_id_is_cut_out),
		cmocka_unit_test(errors_are_parsed),
		cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
