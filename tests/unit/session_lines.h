/*
 * Lines that most scripts of conversations have in common: a session over
 * long-polling, with CometD Java's replies, whose clientId is c1.
 */
#ifndef TESTS_SESSION_LINES_H
#define TESTS_SESSION_LINES_H

#define HANDSHAKE                                                                                  \
	"< handshake long-polling [{'channel':'/meta/handshake','id':'%','version':'1.0',"         \
	"'minimumVersion':'1.0','supportedConnectionTypes':['long-polling']}]"
#define HANDSHAKE_OK                                                                               \
	"> reply connect [{'minimumVersion':'1.0','clientId':'c1','supportedConnectionTypes':"     \
	"['websocket','long-polling'],'advice':{'interval':0,'timeout':30000,'reconnect':"         \
	"'retry'},'channel':'/meta/handshake','version':'1.0','successful':true}]"
#define PROBE                                                                                      \
	"< connect long-polling [{'channel':'/meta/connect','id':'%','clientId':'c1',"             \
	"'connectionType':'long-polling','advice':{'timeout':0}}]"
#define CONNECT                                                                                    \
	"< connect long-polling [{'channel':'/meta/connect','id':'%','clientId':'c1',"             \
	"'connectionType':'long-polling'}]"
#define CONNECT_OK "> reply connect [{'channel':'/meta/connect','successful':true}]"
#define START                                                                                      \
	"> start", "< state handshaking", HANDSHAKE, HANDSHAKE_OK, "< state connecting", PROBE
#define UP START, CONNECT_OK, "< state connected", CONNECT
/* from UNCONNECTED, due now, to connected again */
#define AGAIN                                                                                      \
	"< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%", PROBE,     \
	CONNECT_OK, "< state connected gap", CONNECT

#endif
