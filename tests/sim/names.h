/* The library and the daemon have functions of the same names, which never meet in one program but here. */
#ifndef TESTS_SIM_NAMES_H
#define TESTS_SIM_NAMES_H

#define request_free client_request_free
#define request_new client_request_new
#define wanted_fini client_wanted_fini
#define wanted_find client_wanted_find
#define wanted_init client_wanted_init
#define wanted_next client_wanted_next

#endif
