/*
 * The protocol of package bag, for the model checker SPIN.
 *
 * Each block is headed by the Go function it stands for: who changes the one
 * changes the other. README.md says what is left out and why that is sound;
 * check.sh runs the configurations.
 *
 * A step here is one access to something that another goroutine may touch at
 * that moment: an atomic, or a lock. Steps are joined (atomic, d_step) in these
 * cases only:
 *
 *   - the taking of a lock with the first access under it, the last access with
 *     the release, and anything with accesses to what only the holder of the
 *     lock may touch: nobody can tell the difference;
 *   - a stripe's section of which others can see one store only (see FINE);
 *   - total and reserved, which the protocol never reads;
 *   - ghosts, assertions, local variables and choices.
 *
 * Go's atomics are sequentially consistent, and so is SPIN's memory.
 *
 * A loop that ends in break is a block with early exits: break is its return.
 */

/* ---- Configuration ---- */

#ifndef BORROWERS
#define BORROWERS 3    /* at most 4 */
#endif
#ifndef ITEMS
#define ITEMS 2        /* in the bag at the start */
#endif
#ifndef SPARE
#define SPARE 0        /* items that may be added, each in place of a removed one; ITEMS+SPARE is at most 3 */
#endif
#ifndef STRIPES
#define STRIPES 2      /* 2 or 3 */
#endif
#ifndef KEEPERS
#define KEEPERS 0
#endif

/* On when defined:
 *
 *   CANCEL    a waiter's context may end at any moment
 *   TIMEOUT   a waiter's time may run out at any moment
 *   CLOSER    the bag is closed at some moment
 *   EXPELLER  waiters are sent away by Expel, one at a time, any number of times
 *   RETAIN    a borrower may turn its loan into a reservation, or replace the item
 *   FINE      the sections of stripes are taken apart, store by store
 *   SLEEPERS  a served waiter may never wake up; others may then wait for good,
 *             so that pan must be told with -E to accept any end
 *   HOLDERS   a borrower may keep its item for good; run it with -E too
 *   LIVENESS  fair locks, a clock, and the LTL formula at the end
 *   M_...     a mutant: the protocol with one mistake
 *   OUTCOMES_ONLY  nothing is asserted of the counters of the queue, so that a
 *             mutant must do real harm to be caught
 *
 * FINE is needed when somebody looks at an item from outside the stripe's lock.
 * Only Reserve does. Without it n is all that others see of such a section, so
 * that the section may be one step and needs no lock.
 */
#if KEEPERS > 0
#define FINE
#endif

#define ALL     (ITEMS + SPARE)
#define CALLERS (BORROWERS + KEEPERS + 2)   /* and the closer and the expeller */
#define CLOSER_ID   (BORROWERS + KEEPERS + 1)
#define EXPELLER_ID (BORROWERS + KEEPERS + 2)

#define NONE   0       /* items and callers are numbered from one */
#define BIT(x) (1 << (x))

/* ---- The bag ---- */

mtype = { Outside, Idle, InUse, Reserved, Removed };         /* State */
mtype = { nil, timedOut, cancelled, bagClosed, expelled };     /* errors of Wait */

/* Item */
#ifdef M_NEW_ITEMS_LOOK_IDLE
mtype state[ALL+1] = Idle;
#else
mtype state[ALL+1] = Outside;
#endif
byte  home[ALL+1];

/* stripe */
byte stack[STRIPES];   /* as a set: that pop may take any item includes that it takes the last */
byte n[STRIPES];
#ifdef FINE
bool locked[STRIPES];  /* mu */
#endif

/* Bag */
byte waiting;
byte waking;
bool overdue;
bool closed;
byte total = ITEMS;
byte reserved;

/* queue */
#ifdef LIVENESS
chan mu = [CALLERS] of { byte };   /* who has it, then who is next */
#else
bool mu;
#endif
byte line[BORROWERS+1];            /* first come first, NONE after the last */

/* waiter: one for each borrower, see README.md on the free list */
bool  queued[BORROWERS+1];
byte  item[BORROWERS+1];
mtype err[BORROWERS+1] = nil;
byte  ready[BORROWERS+1];          /* signals in the channel, which has room for one */

/* ---- Ghosts: what the assertions know and the code does not ---- */

byte owner[ALL+1];                 /* who has the item; NONE while it is idle or removed */
byte ahead[BORROWERS+1];           /* set of those in the line who joined before this waiter */
bool inWait[BORROWERS+1];          /* from joining the line to the return of Wait */
byte added = ITEMS;                /* items that ever were in the bag */

/* From some moment on nobody new comes and no waiter gives up. What is under way
 * then must come to rest with nothing lost. As the moment may be any, so may the
 * state be that it is reached in. */
bool calm;

/* ---- Counting ---- */

#define HAS(s, x) ((stack[s] >> (x)) & 1)

#if ALL == 1
#define LEN(s) HAS(s, 1)
#elif ALL == 2
#define LEN(s) (HAS(s, 1) + HAS(s, 2))
#else
#define LEN(s) (HAS(s, 1) + HAS(s, 2) + HAS(s, 3))
#endif

#if STRIPES == 2
#define STACKS_WITH(x) (HAS(0, x) + HAS(1, x))
#define SOME_IDLE      (stack[0] != 0 || stack[1] != 0)
#else
#define STACKS_WITH(x) (HAS(0, x) + HAS(1, x) + HAS(2, x))
#define SOME_IDLE      (stack[0] != 0 || stack[1] != 0 || stack[2] != 0)
#endif

#define IN_LINE(i) (line[i] != NONE)
#define SERVED(w)  (!queued[w] && item[w] != NONE)

#if BORROWERS == 2
#define LINE_LEN     (IN_LINE(0) + IN_LINE(1))
#define SERVED_COUNT (SERVED(1) + SERVED(2))
#elif BORROWERS == 3
#define LINE_LEN     (IN_LINE(0) + IN_LINE(1) + IN_LINE(2))
#define SERVED_COUNT (SERVED(1) + SERVED(2) + SERVED(3))
#else
#define LINE_LEN     (IN_LINE(0) + IN_LINE(1) + IN_LINE(2) + IN_LINE(3))
#define SERVED_COUNT (SERVED(1) + SERVED(2) + SERVED(3) + SERVED(4))
#endif

/* ---- Time ----
 *
 * Whether the head of the line is late is anybody's guess at each look. This
 * includes a look with an old reading of the clock: the code reads it before it
 * takes the lock, so that a head found late can be found in time afterwards.
 *
 * For liveness the guess must come true in the end. There a clock makes the head
 * old at some moment, for the rest of its wait, and a reading shows who was old
 * when it was made.
 */

#ifdef LIVENESS
byte old;                          /* set of waiters who have waited longer than Patience */
byte now[CALLERS+1];               /* what old was when the caller read the clock */
#define READ_CLOCK    now[me] = old;
#define FORGET_CLOCK  now[me] = 0;
#define HEAD_IS_LATE  overdue = (now[me] >> line[0]) & 1
#else
#define READ_CLOCK
#define FORGET_CLOCK
#define HEAD_IS_LATE  if :: overdue = true :: overdue = false fi
#endif

/* ---- Locks: to be used within atomic or d_step ---- */

/* queue.mu. The fair one stands for sync.Mutex, which lets a goroutine that has
 * tried for a millisecond go before all others. */
#ifdef LIVENESS
#define LOCK_QUEUE    mu ! me; mu ? <eval(me)>
#define UNLOCK_QUEUE  assert(QUEUE_IS_SOUND); FORGET_CLOCK mu ? _
#else
#define LOCK_QUEUE    !mu -> mu = true
#define UNLOCK_QUEUE  assert(QUEUE_IS_SOUND); mu = false
#endif

/* What holds whenever queue.mu is free. */
#ifndef OUTCOMES_ONLY
#define QUEUE_IS_SOUND  (waiting == LINE_LEN && waking == SERVED_COUNT \
	&& !(overdue && line[0] == NONE) && !(closed && line[0] != NONE))
#else
#define QUEUE_IS_SOUND  true
#endif

/* stripe.mu */
#define LOCK_STRIPE(s)    !locked[s] -> locked[s] = true
#define UNLOCK_STRIPE(s)  assert(n[s] == LEN(s)); locked[s] = false

/* ======== stripe.go ======== */

/* Item.move, by the one who has the item */
inline move(it, to, from) {
	assert(state[it] == from);
	state[it] = to
}

/* Bag.here: any stripe, at each call. Which it is only matters to speed. */
inline here() {
	if
	:: i = 0
	:: i = 1
#if STRIPES > 2
	:: i = 2
#endif
	fi;
#ifdef M_TAKE_LOOKS_IN_ONE_STRIPE
	left = 1
#else
	left = STRIPES
#endif
}

/* The step of the loop in Bag.take */
inline nextStripe() {
	i = (i + 1) % STRIPES;
	left--;
	if
	:: left == 0 -> i = 0; break
	:: else
	fi
}

/* An item leaves the stack and belongs to somebody. */
inline takeOut(s, it) {
	assert(HAS(s, it) && owner[it] == NONE);
	owner[it] = me;
	stack[s] = stack[s] & ~BIT(it);
	n[s] = LEN(s)                              /* n.Store */
}

/* stack[top] */
inline top(s, it) {
	if
	:: HAS(s, 1) -> it = 1
#if ALL > 1
	:: HAS(s, 2) -> it = 2
#endif
#if ALL > 2
	:: HAS(s, 3) -> it = 3
#endif
#ifdef M_POP_TRUSTS_N
	:: else -> assert(false)                   /* index out of range */
#endif
	fi
}

/* Bag.take, from stripe i on, with stripe.pop as the body of its loop; it is NONE before */
inline take(it) {
	do
	:: atomic { n[i] == 0 -> nextStripe() }    /* n.Load */
	:: n[i] != 0 ->                            /* n.Load */
#ifdef M_POP_WITHOUT_LOCK
		atomic {
			if
			:: stack[i] == 0 -> nextStripe()
			:: else -> top(i, it)
			fi
		}
		if
		:: it != NONE -> d_step { takeOut(i, it); move(it, InUse, Idle); i = 0; left = 0 } break
		:: else
		fi
#else
		atomic {
#ifdef FINE
			LOCK_STRIPE(i);
#endif
			if
#ifndef M_POP_TRUSTS_N
			:: stack[i] == 0 ->
#ifdef FINE
				UNLOCK_STRIPE(i);
#endif
				nextStripe()
#endif
			:: else -> top(i, it); takeOut(i, it)
			fi
#ifdef FINE
		}
		atomic {
#endif
			if
			:: it != NONE ->
				move(it, InUse, Idle);         /* state.Store */
#ifdef FINE
				UNLOCK_STRIPE(i);
#endif
				i = 0; left = 0; break
			:: else
			fi
		}
#endif
	od
}

/* stripe.push at stripe i; afterwards it is no longer the caller's */
inline push(it, from) {
#ifdef FINE
	atomic {
		here();
		LOCK_STRIPE(i);
		assert(STACKS_WITH(it) == 0 && owner[it] == me);
		owner[it] = NONE;
#ifdef M_PUSH_STORES_STATE_FIRST
		move(it, Idle, from)
	}
	home[it] = i;
#else
		home[it] = i                           /* home.Store */
	}
	d_step { move(it, Idle, from) }            /* state.Store */
#endif
	d_step {
		stack[i] = stack[i] | BIT(it);
#ifndef M_PUSH_KEEPS_N
		n[i] = LEN(i);                         /* n.Store */
#endif
		UNLOCK_STRIPE(i);
		i = 0;
		it = NONE
	}
#else
	atomic {
		here();
		assert(STACKS_WITH(it) == 0 && owner[it] == me);
		owner[it] = NONE;
		home[it] = i;
		move(it, Idle, from);
		stack[i] = stack[i] | BIT(it);
		n[i] = LEN(i);
		i = 0;
		it = NONE
	}
#endif
}

/* stripe.reserve; sets ok */
#ifdef FINE
inline reserveIn(s, it) {
	atomic {
		LOCK_STRIPE(s);
		ok = true;
#ifndef M_RESERVE_TRUSTS_STATE
		if
		:: state[it] != Idle -> ok = false; UNLOCK_STRIPE(s)   /* it.State */
		:: else
		fi
#endif
	}
#ifndef M_RESERVE_TRUSTS_HOME
	if
	:: ok ->
		atomic {
			if
			:: home[it] != s -> ok = false; UNLOCK_STRIPE(s)   /* home.Load */
			:: else
			fi
		}
	:: else
	fi;
#endif
	if
	:: ok ->
		d_step { takeOut(s, it) }              /* slices.Index finds it: asserted */
		d_step { move(it, Reserved, Idle); UNLOCK_STRIPE(s) }
	:: else
	fi
}
#endif

/* ======== bag.go ======== */

/* Bag.TryBorrow */
inline tryBorrow(it) {
	if
#ifndef M_NEWCOMERS_ALWAYS_OVERTAKE
	:: !calm && overdue                        /* overdue.Load */
	:: atomic { !calm && !overdue -> here() }  /* overdue.Load */
#else
	:: atomic { !calm -> here() }
#endif
		take(it)
	fi
}

/* Bag.putBack */
#ifdef M_PUTBACK_READS_WAITING_FIRST
#define WAITING early
#else
#define WAITING waiting
#endif
#if defined(M_PUTBACK_READS_WAKING_FIRST)
#define WAKING early
#else
#define WAKING waking
#endif
inline putBack(it, from) {
#ifdef M_PUTBACK_READS_WAITING_FIRST
	early = waiting;
#endif
#ifdef M_PUTBACK_READS_WAKING_FIRST
	early = waking;
#endif
	push(it, from);
	do
	:: WAITING == 0 -> break                   /* waiting.Load */
	:: WAITING != 0 ->                         /* waiting.Load */
		if
		:: WAKING == 0                         /* waking.Load */
		:: WAKING != 0 ->                      /* waking.Load */
#ifndef M_PUTBACK_IGNORES_OVERDUE
			if
			:: overdue                         /* overdue.Load */
			:: !overdue -> break               /* overdue.Load */
			fi
#else
			break
#endif
		fi;
		dispatch();
		break
	od
}

/* Bag.Reserve; sets ok */
#ifdef FINE
inline reserve(it) {
	ok = false;
	do
	:: state[it] != Idle -> break              /* it.State */
	:: else ->
		h = home[it];                          /* home.Load */
		reserveIn(h, it);
		h = 0;
		if
		:: ok -> reserved++; break
		:: else
		fi
	od
}
#endif

/* Bag.Retain */
inline retain(it) {
	d_step { move(it, Reserved, InUse); reserved++ }
}

/* Bag.Unreserve */
inline unreserve(it) {
	reserved--;
#ifdef M_UNRESERVE_DOES_NOT_DISPATCH
	push(it, Reserved)
#else
	putBack(it, Reserved)
#endif
}

/* Bag.Remove; from is InUse or Reserved */
inline remove(it, from) {
	d_step {
		if
		:: state[it] == Reserved -> reserved--
		:: else
		fi;
		move(it, Removed, from);
		owner[it] = NONE;
		total--
	}
}

/* Bag.Add */
inline add(it) {
	d_step {
#ifdef M_NEW_ITEMS_LOOK_IDLE
		state[it] = Outside;
#endif
		move(it, InUse, Outside);
		owner[it] = me;
		total++
	}
#ifdef M_ADD_DOES_NOT_DISPATCH
	push(it, InUse)
#else
	putBack(it, InUse)
#endif
}

/* ======== queue.go ======== */

/* waiter.settle; queue.mu is held */
inline settle(w, it, why) {
	d_step {
		assert(ready[w] == 0);                 /* there is room: the settler does not block */
		item[w] = it;
		err[w] = why;
		if
		:: it != NONE -> assert(owner[it] == me); owner[it] = w
		:: else
		fi;
		ready[w]++                             /* w.ready <- struct{}{} */
	}
}

/* Bag.join: the waiter goes to the end of the line */
inline append() {
	d_step {
		assert(!queued[me] && item[me] == NONE && ready[me] == 0);
		queued[me] = true;
		inWait[me] = true;
#ifdef LIVENESS
		old = old & ~BIT(me);                  /* since = now */
		do
		:: k <= CALLERS -> now[k] = now[k] & ~BIT(me); k++
		:: else -> k = 0; break
		od;
#endif
		do
		:: line[k] != NONE -> ahead[me] = ahead[me] | BIT(line[k]); k++
		:: else -> break
		od;
		line[k] = me;
		k = 0
	}
}

/* Bag.leave, without the end */
inline unlink(w) {
	d_step {
		assert(queued[w]);
		queued[w] = false;
		do
		:: line[k] != w -> k++
		:: else -> break
		od;
		do
		:: k < BORROWERS -> line[k] = line[k+1]; k++
		:: else -> break
		od;
		do
		:: k > 0 -> ahead[k] = ahead[k] & ~BIT(w); k--
		:: else -> break
		od;
		ahead[w] = 0;
		waiting--                              /* waiting.Add */
	}
}

/* Bag.leave */
inline leave(w) {
	do
	:: atomic {
			unlink(w);
			if
#ifndef M_LEAVE_KEEPS_OVERDUE
			:: line[0] == NONE
#endif
			:: else -> break
			fi
		}
		atomic { overdue = false; break }      /* overdue.Store */
	od
}

/* Bag.dispatchLocked, and the release of queue.mu, which follows it everywhere */
inline dispatchLockedAndUnlock() {
	do
	:: atomic {
			if
			:: line[0] == NONE -> UNLOCK_QUEUE; break
			:: else
			fi;
#ifndef M_HEAD_IS_NEVER_LATE
			HEAD_IS_LATE;                      /* overdue.Store */
#endif
			if
			:: waking > 0 && !overdue -> UNLOCK_QUEUE; break
			:: else
			fi;
			here()
		}
		take(got);
		atomic {
			if
			:: got == NONE -> UNLOCK_QUEUE; break
			:: else
			fi;
#ifdef M_DISPATCH_SERVES_THE_NEWEST
			w = line[LINE_LEN - 1];
#else
			w = line[0];
#endif
			assert(ahead[w] == 0)              /* first come, first served */
		}
		leave(w);
		waking++;                              /* waking.Add */
#ifdef M_DISPATCH_SETTLES_UNLOCKED
		atomic { UNLOCK_QUEUE }
#endif
		settle(w, got, nil);
#ifdef M_DISPATCH_SETTLES_UNLOCKED
		atomic { LOCK_QUEUE }
#endif
		d_step { w = NONE; got = NONE }
	od
}

/* Bag.dispatch */
inline dispatch() {
	READ_CLOCK
	atomic { LOCK_QUEUE }
	dispatchLockedAndUnlock()
}

/* Bag.join, with break where it returns an error; so it must be called in a loop */
inline join() {
	READ_CLOCK
	atomic {
		LOCK_QUEUE;
		if
		:: closed -> reason = bagClosed; UNLOCK_QUEUE; break
		:: else
		fi;
#ifndef M_JOIN_LOOKS_FIRST
		append();
#endif
#if !defined(M_JOIN_COUNTS_LAST) && !defined(M_JOIN_LOOKS_FIRST)
		waiting++                              /* waiting.Add */
#endif
	}
#if defined(M_JOIN_DOES_NOT_LOOK)
	atomic { UNLOCK_QUEUE }
#else
	dispatchLockedAndUnlock();
#endif
#if defined(M_JOIN_LOOKS_FIRST)
	atomic { LOCK_QUEUE; append(); waiting++; UNLOCK_QUEUE }
#endif
#if defined(M_JOIN_COUNTS_LAST)
	waiting++
#endif
}

/* queue.put */
inline put() {
	assert(ready[me] == 0);                    /* whoever gets the waiter next needs an empty channel */
	item[me] = NONE;
	err[me] = nil
}

/* Bag.finish; reason is giveUp before, and the error of Wait afterwards. With an
 * item and the reason cancelled it leaves b.Return to its caller, who returns
 * items anyway. */
inline finish() {
	READ_CLOCK
	atomic { LOCK_QUEUE }
	do
	:: queued[me] ->
		leave(me);
		atomic { put(); UNLOCK_QUEUE; break }
	:: atomic {
			!queued[me] ->
			it = item[me];
			if
			:: reason == nil -> reason = err[me]
#ifndef M_FINISH_LEAVES_THE_SIGNAL
			:: else -> assert(ready[me] == 1); ready[me]--         /* <-w.ready: the signal is there */
#else
			:: else
#endif
			fi;
			put();
			if
			:: it == NONE -> UNLOCK_QUEUE; break
			:: else
			fi;
#if defined(M_TIMED_OUT_DROPS_THE_ITEM)
			if
			:: reason == timedOut -> waking--; it = NONE; UNLOCK_QUEUE; break
			:: else
			fi;
#endif
			if
			:: reason == cancelled ->
#ifdef M_CANCELLED_DROPS_THE_ITEM
				it = NONE;
#endif
#if !defined(M_CANCELLED_STAYS_WAKING) && !defined(M_CANCELLED_RETURNS_FIRST)
				waking--;                      /* waking.Add */
#endif
				UNLOCK_QUEUE;
				break
			:: else -> reason = nil
			fi;
#ifndef M_FINISH_DISPATCHES_FIRST
			waking--                           /* waking.Add */
#endif
		}
#ifdef M_FINISH_DOES_NOT_DISPATCH
		atomic { UNLOCK_QUEUE }
#else
		dispatchLockedAndUnlock();
#endif
#ifdef M_FINISH_DISPATCHES_FIRST
		waking--;
#endif
		break
	od;
#ifdef M_CANCELLED_RETURNS_FIRST
	if
	:: it != NONE && reason == cancelled -> putBack(it, InUse); waking--
	:: else
	fi
#endif
#ifdef M_CANCELLED_DOES_NOT_DISPATCH
	if
	:: it != NONE && reason == cancelled -> push(it, InUse)
	:: else
	fi
#endif
}

/* Bag.Wait; it may be set afterwards */
inline wait() {
	do
	:: true ->
		join();
		if                                     /* select */
#ifdef CANCEL
		:: !calm -> reason = cancelled         /* <-ctx.Done() */
#endif
#ifdef TIMEOUT
		:: !calm -> reason = timedOut          /* <-expired */
#endif
		:: d_step { ready[me] > 0 -> ready[me]-- }                 /* <-w.ready */
#ifdef SLEEPERS
		:: ready[me] > 0 -> false              /* asleep for good */
#endif
		fi;
		finish();
		break
	od;
	atomic {
		assert((it == NONE && reason != nil) || (it != NONE && (reason == nil || reason == cancelled)));
		givenUp = (it != NONE && reason == cancelled);
		reason = nil;
		inWait[me] = false;
		k = 1;
		do
		:: k <= ALL -> assert(k == it || owner[k] != me); k++
		:: else -> k = 0; break
		od
	}
}

/* Bag.Close */
inline close() {
	atomic {
		LOCK_QUEUE;
#ifndef M_CLOSE_SENDS_AWAY_FIRST
		closed = true
#endif
	}
	do
	:: atomic { line[0] == NONE -> UNLOCK_QUEUE; break }
	:: atomic { line[0] != NONE -> w = line[0] }
		leave(w);
		settle(w, NONE, bagClosed);
		w = NONE
	od;
#ifdef M_CLOSE_SENDS_AWAY_FIRST
	closed = true
#endif
}

/* Bag.Expel. Which of the line pick chooses is anybody's guess. */
inline expel() {
	atomic {
		LOCK_QUEUE;
		if
		:: IN_LINE(0) -> w = line[0]
		:: IN_LINE(1) -> w = line[1]
#if BORROWERS > 2
		:: IN_LINE(2) -> w = line[2]
#endif
#if BORROWERS > 3
		:: IN_LINE(3) -> w = line[3]
#endif
		:: true                                /* it chooses none */
		fi
	}
	if
	:: w != NONE ->
#ifndef M_EXPEL_LEAVES_IT_IN_LINE
		leave(w);
#endif
		settle(w, NONE, expelled);
		w = NONE
	:: else
	fi;
	atomic { UNLOCK_QUEUE }
}

/* ======== Those who use the bag ======== */

/* Variables of a goroutine. */
#define LOCALS \
	byte it;                      /* the item it has */ \
	byte got; byte w;             /* in dispatchLocked */ \
	byte i; byte left;            /* the stripe in hand, and how many are left to look in */ \
	byte k; byte fresh;           /* scratch */ \
	byte early;                   /* for mutants */ \
	bool givenUp;                 /* Wait was cancelled: the item must be returned at once */ \
	mtype reason = nil            /* see finish */

/* The item is closed for good and another one opened. */
inline replace(it, from) {
	d_step { added < ALL -> added++; fresh = added }
	remove(it, from);
	d_step { it = fresh; fresh = NONE }
	add(it)
}

/* What is done with a reserved item: it is put back or replaced. */
inline keep(it) {
	if
	:: unreserve(it)
#if SPARE > 0
	:: replace(it, Reserved)
#endif
	fi
}

/* Borrows, waits if it must and cares to, uses the item for a time, gives it back;
 * any number of times. */
proctype Borrower(byte me) {
	LOCALS;
	do
	:: calm -> break
	:: tryBorrow(it);
		if
		:: it == NONE -> wait()
		:: it == NONE                          /* does not care to, or ErrFull */
		:: else
		fi;
		if
		:: it != NONE ->
			assert(owner[it] == me && state[it] == InUse);
			if
			:: givenUp = false; putBack(it, InUse)   /* Bag.Return */
#ifdef HOLDERS
			:: !givenUp -> false               /* nobody else may have to wait for this */
#endif
#ifdef RETAIN
			:: retain(it); keep(it)
#if SPARE > 0
			:: replace(it, InUse)
#endif
#endif
			fi
		:: else
		fi
	od
}

/* Takes items aside; any number of times. It may ask for an item that is not in the
 * bag yet, or that has been removed since it was seen in the list of all. */
#if KEEPERS > 0
proctype Keeper(byte me) {
	LOCALS;
	byte h;
	bool ok;
	do
	:: calm -> break
	:: atomic {
			!calm ->
			if
			:: it = 1
#if ALL > 1
			:: it = 2
#endif
#if ALL > 2
			:: it = 3
#endif
			fi
		}
		reserve(it);
		if
		:: ok -> ok = false; assert(owner[it] == me && state[it] == Reserved); keep(it)
		:: else -> it = NONE
		fi
	od
}
#endif

#ifdef CLOSER
proctype Closer(byte me) {
	LOCALS;
	if
	:: calm
	:: true -> close()
	fi
}
#endif

#ifdef EXPELLER
proctype Expeller(byte me) {
	LOCALS;
	do
	:: calm -> break
	:: !calm -> expel()
	od
}
#endif

#ifdef LIVENESS
proctype Clock() {
	do
	:: atomic { IN_LINE(0) && !((old >> line[0]) & 1) -> old = old | BIT(line[0]) }
	od
}
#endif

/* ======== At rest: nobody can move, and nobody new arrives ======== */

inline checkRest() {
	assert(!mu);
#ifdef SLEEPERS
	/* The waking one, did it wake, would serve the next. Once newcomers are held
	 * back for the sake of the head, the head must not depend on that. */
	assert(!(SOME_IDLE && IN_LINE(0)) || (waking > 0 && !overdue));
#else
	assert(!(SOME_IDLE && IN_LINE(0)));        /* no wake-up was lost */
#ifndef HOLDERS
	assert(!IN_LINE(0) && waiting == 0 && waking == 0 && !overdue && reserved == 0);
	x = 1;
	do
	:: x <= ALL ->
		assert(owner[x] == NONE);
		if
		:: state[x] == Removed || x > added -> assert(STACKS_WITH(x) == 0)
		:: else -> assert(state[x] == Idle && STACKS_WITH(x) == 1)
		fi;
		x++
	:: else -> break
	od;
	x = 0;
	do
	:: x < STRIPES -> assert(n[x] == LEN(x)); items = items + n[x]; x++
	:: else -> break
	od;
	assert(total == items && items == ITEMS);
	x = 1;
	do
	:: x <= BORROWERS -> assert(!queued[x] && item[x] == NONE && ready[x] == 0); x++
	:: else -> break
	od
#endif
#endif
}

init {
	byte x = 1;
	byte items;
	atomic {
		do
		:: x <= ITEMS ->
			state[x] = Idle;
			if
			:: home[x] = 0
			:: home[x] = 1
			fi;
			stack[home[x]] = stack[home[x]] | BIT(x);
			x++
		:: else -> break
		od;
		n[0] = LEN(0);
		n[1] = LEN(1);
		x = 1;
		do
		:: x <= BORROWERS -> run Borrower(x); x++
#if KEEPERS > 0
		:: x > BORROWERS && x <= BORROWERS + KEEPERS -> run Keeper(x); x++
#endif
		:: else -> break
		od;
#ifdef CLOSER
		run Closer(CLOSER_ID);
#endif
#ifdef EXPELLER
		run Expeller(EXPELLER_ID);
#endif
#ifdef LIVENESS
		run Clock();
#endif
		x = 0
	}
#ifndef LIVENESS
	calm = true;
	timeout;
	d_step { checkRest() }
#endif
}

/* Who waits is served or sent away in the end. Borrowers are alike, so it is
 * enough to watch one. */
#ifdef LIVENESS
ltl waitEnds { [] (inWait[1] -> <> !inWait[1]) }
#endif
