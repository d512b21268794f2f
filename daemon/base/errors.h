/*
 * What functions of this daemon return:
 *
 *    0          done
 *    positive   an expected outcome, named by an enum of the module; the direct
 *               caller handles it and does not pass it on
 *    negative   a negative errno; callers pass it up unchanged
 *
 * and the cleanup attribute, which frees what a constructor has made before it fails:
 *
 *    CLEANUP(thing_freep) struct thing *t = NULL;
 *    …
 *    *ret = TAKE(t);
 */
#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#define CLEANUP(fn) __attribute__((cleanup(fn)))
/* returns the pointer and sets the variable to NULL */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
/* defines type##_freep for CLEANUP from void fn(struct type *) */
#define DEFINE_FREEP(type, fn)                                                                     \
	static inline void type##_freep(struct type **p) { fn(*p); }

#endif
