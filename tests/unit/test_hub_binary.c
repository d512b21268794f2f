/*
 * Binary data through the hub: publishes go to the server in the form of CometD's binary
 * extension, and events are delivered with a `binary` field where that is wanted. If it
 * is too large only that field is left out, never the message.
 */
#include "tests/unit/hub_world.h"

#include <stdio.h>

#define BYTES "{'channel':'/a','data':{'data':'xK#0@zV','last':true},'ext':{'binary':{}}}"
#define TOLD "'binary':{'data':'aGVsbG8=','last':true}"

static void listen_to_a(struct world *w)
{
	world_init(w);
	assert_asked(w, 0, "{'op':'subscribe','id':1,'channel':'/a','upstream':false}",
		     "{'op':'reply','id':1,'ok':true,'result':{'channels':"
		     "[{'channel':'/a','ok':true}]}}\n");
}

static void bytes_are_delivered_where_wanted(void **state)
{
	struct world w;

	(void)state;
	listen_to_a(&w);
	say_message(&w, 0, "/a", BYTES);
	assert_heard(&w, 0, "{'op':'message','server':'one','seq':1,'message':" BYTES "}\n");
	w.sessions[0].binary = true;
	say_message(&w, 0, "/a", BYTES);
	assert_heard(&w, 0, "{'op':'message','server':'one','seq':2,'message':" BYTES "," TOLD "}\n");
	say_message(&w, 0, "/a", "{'data':1}");
	assert_heard(&w, 0, "{'op':'message','server':'one','seq':3,'message':{'data':1}}\n");
	say_message(&w, 0, "/a", "{'data':{'data':'6'},'ext':{'binary':{}}}");
	assert_heard(&w, 0, "{'op':'message','server':'one','seq':4,'message':"
			    "{'data':{'data':'6'},'ext':{'binary':{}}},"
			    "'binary':{'error':'data of binary is no Z85'}}\n");
	world_fini(&w);
}

/* the world's messages may have 1000 bytes */
static void too_many_bytes_are_left_out(void **state)
{
	char text[1200], z85[1001];
	struct world w;

	(void)state;
	listen_to_a(&w);
	w.sessions[0].binary = true;
	for (int n = 200; n <= 900; n += 100) {
		memset(z85, '0', sizeof(z85));
		z85[n] = '\0';
		snprintf(text, sizeof(text), "{'data':{'data':'%s'},'ext':{'binary':{}}}", z85);
		say_message(&w, 0, "/a", text);
		const char *said = heard(&w, 0);
		assert_non_null(strstr(said, "'op':'message'"));
		assert_non_null(strstr(said, text));
		/* in all 2 n + 16/15 n and some more */
		assert_int_equal(!strstr(said, "'binary':{'data':'AAAA"), n >= 500);
	}
	world_fini(&w);
}

static void answers_have_them_too(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.sessions[0].binary = true;
	assert_asked(&w, 0, "{'op':'call','id':1,'channel':'/service/x','binary':{'data':''}}", "");
	assert_string_equal(w.sessions[0].publish,
			    "/service/x {\"data\":\"\",\"last\":true} {\"binary\":{}}");
	say_outcome(&w, 0, w.sessions[0].cookie, SESSION_OK, BYTES, NULL);
	assert_heard(&w, 0, "{'op':'reply','id':1,'ok':true,'result':{'message':" BYTES "," TOLD
			    "}}\n");
	world_fini(&w);
}

static void members_publish_bytes(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_asked(&w, 0, "{'op':'publish','channel':'/a','ext':{'e':1},"
			    "'binary':{'data':'aGVsbG8=','last':false,'meta':[1]}}", "");
	assert_string_equal(w.sessions[0].publish,
			    "/a {\"data\":\"xK#0@zV\",\"last\":false,\"meta\":[1]} "
			    "{\"e\":1,\"binary\":{}}");
	world_fini(&w);
}

#define REFUSED(words)                                                                             \
	"{'op':'reply','id':1,'ok':false,'error':{'code':'bad-request','message':'" words "'}}\n"

static void malformed_data_is_reported(void **state)
{
	static const char *const cases[][2] = {
		{"{'op':'publish','id':1,'channel':'/a'}",
		 REFUSED("data is missing, and so is binary")},
		{"{'op':'publish','id':1,'channel':'/a','data':1,'binary':{'data':''}}",
		 REFUSED("data and binary; a message carries one of them")},
		{"{'op':'publish','id':1,'channel':'/a','binary':{'data':'a'}}",
		 REFUSED("data of binary is no base64")},
		{"{'op':'call','id':1,'channel':'/service/a','binary':{'data':'','more':1}}",
		 REFUSED("binary has data, last and meta, and nothing else")},
		{"{'op':'publish','id':1,'channel':'/a','ext':{'binary':1},'binary':{'data':''}}",
		 REFUSED("ext must not contain binary")},
	};
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_asked(&w, 0, cases[i][0], cases[i][1]);
	assert_int_equal(w.sessions[0].published, 0);
	assert_int_equal(w.members[0].requests.n, 0);
	world_fini(&w);
}

/* a receiver gets the message or its loss; a publisher is answered in any case */
static void memory_fails(void **state)
{
	unsigned lost = 0, failed = 0;
	struct world w;

	(void)state;
	listen_to_a(&w);
	w.sessions[0].binary = true;
	for (unsigned i = 0; i < 20; i++) {
		testing_fail_allocation(i);
		say_message(&w, 0, "/a", BYTES);
		testing_allocation_failed();
		const char *said = heard(&w, 0);
		assert_true(strstr(said, TOLD) || strstr(said, "'op':'lost'"));
		lost += strstr(said, "'op':'lost'") != NULL;
		testing_fail_allocation(i);
		int r = ask(&w, 0, "{'op':'publish','channel':'/a','binary':{'data':'aGVsbG8='}}");
		testing_allocation_failed();
		failed += r != 0;
	}
	assert_in_range(lost, 1, 19);
	assert_int_equal(w.sessions[0].published, 20 - failed);
	assert_in_range(failed, 1, 19);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_delivered_where_wanted),
		cmocka_unit_test(too_many_bytes_are_left_out),
		cmocka_unit_test(answers_have_them_too),
		cmocka_unit_test(members_publish_bytes),
		cmocka_unit_test(malformed_data_is_reported),
		cmocka_unit_test(memory_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
