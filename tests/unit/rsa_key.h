/* A private key (RSA, 2048 bits) for tests, since making one takes a while under valgrind. */
#ifndef TESTS_RSA_KEY_H
#define TESTS_RSA_KEY_H

/* made for these tests, and good for nothing else */
static const char key_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQD7xR8Vev2scu2y\n"
	"Cdt1Weu4zF9D9xneMaG9erm2f3zwuKN6lhJWyLW5PVUAMWANGqtI6HdTT2nw45Qy\n"
	"BhuFw0k7lL33abUwrD672y2Tlj1b9kxM7xK3g2HAamVKM9qSm63P+QGQcpD2SsTX\n"
	"w81TCXWNY/5FEKXGdgBjGcltDeWjOM0O5jrmn1VQppKxhgblGVzTxqqIXPH07Hnt\n"
	"gXGCof2Pwg2qn331tMVOIFI0DlCpsSPS2sGgcRJFN0gB52uWvaECyIXJcNNIwHmm\n"
	"5snGiaPg6g/6bnqELanrRYGLWxmJxZsWxYNGhKdd/qf44+d3VGWEPNi6aKvVowZI\n"
	"A306YqaBAgMBAAECggEAAIxY1HWUfqxQvJLYvE/U8z/1XPKAsScw/E5uunNBUWZi\n"
	"5fHm106brbjj6tQ9fsDlP7c6usY0W/lCjBn+44hQH1/4LVPLEFF9hzk02aLJUoSt\n"
	"eS9FQg5XY9CFqsjj0je4Q/qiEKkMzfktNOHJKSLzHXVaY9NEefGiXVa1KFdtdJOi\n"
	"rJkq/WL+OFHqWQ0wZmqfR6uwnDjX+Js4qFXlbWt2O2+UqJTwO7cXDrtOGh70+FC2\n"
	"/XaegBLCe80H9fMKlaniG5xkouPMkx6qwNkCLCwrBkNzroqCngFTfRYEx9lXMFuM\n"
	"PdojjW+zvIWvspbDJj27AOCecGlhDOnKObL1flYqbQKBgQD+gRY0HIXU7CJn47zB\n"
	"MkC7MvwKZJS+EJXf3URBFgRWET98MDEZs9SnPc7puloOF54JxZWyBiFY260n9ake\n"
	"JesO//g2Cev+TDof14D2mGUqXuxTTk6EzIRAS8ZwVY0iSbwyowdozdVYSfArFI1J\n"
	"Tzi2OmlZ5k3gYfNWHtSR8ElkxQKBgQD9P+vAI/28T4P7P5SRU5OjI9z4YKBNEggl\n"
	"TsmdO6zFSiGUm6LpoEgVXOToS1DySvy7jagmBvBUHZ59kd8DDLrxObe29yfLBaZr\n"
	"ffJ0aFUYIgxJ6jhn6K9oWHVTIRx1B77VyhoR9N1VG7rBO2nidYMMPF7TLQxyl21s\n"
	"rehRR5vujQKBgCk30tbBv9MKI1BcC9fmQaGP0k4EmCpoGT3WYhWAcVdXF8cPLwSQ\n"
	"oWIsmnQ0IB2kKY4/l8zrPT9c5KBSIv+k+HrHbfWiibv3sHoztsk5STkhgnjDd+f+\n"
	"D3UyUIMk9+STuI0i5jJNE75myyTPAUrcL70jnKhYqkgq1PQfriGsntZZAoGBAMZO\n"
	"4pXP2SY3gdshm339WzO5ppQcXgpb32MPghMMoqrO9OLAyN5281s/JcS9DYLds3BO\n"
	"aeh1MIY9t1kO+/oQYub4UmMEwPVa1EmCE3SSKmg+aS8MKOU9MPXdpunUmMsPqKES\n"
	"pD2BaDv3/dLIao65hEf1ki99LC0jZL1gpPXYxEMVAoGAHi7hroknRQHlRPNNRFNc\n"
	"hABya8yfuoApBUHlA37LoAetwuSeFZM79Z3AyzmGO1M6rVkgl5T1JW6llMqrWSeq\n"
	"KxugefDIGvGXdpI4MGRQbljVSipa/9djklpl8ugs5q0uZXT4MqxExwnRIJd668aM\n"
	"SocNj/x/PJNTNVRuI8MOF7c=\n"
	"-----END PRIVATE KEY-----\n";

#endif
