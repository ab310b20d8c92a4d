/*
 * A model of the refresh of one session by two instances (package pkce over a
 * token store), for the model checker Spin. "make model" checks it.
 *
 * A token is its number in the order in which the server granted them. With
 * ROTATE each redemption makes a new refresh token and revokes the one before;
 * without it the server accepts any. Every step that asks the store or the
 * server is one atomic step, and in between may happen:
 *
 *   - one instance is killed (kill -9), at any step;
 *   - a lease expires, of a dead holder always, of and once of a living one;
 *   - the server's answer is lost, once, after it has redeemed the token;
 *   - a save fails, once, and another works and its answer is lost;
 *   - the user logs out, at any time.
 *
 * What holds in every run, with these names:
 *
 *   one_redemption     A refresh token is sent twice only if a lease expired or
 *                      an answer of the server was lost.                   (R28)
 *   no_reuse           Nobody sends a refresh token that a living instance had used
 *                      up when its lease expired: servers may take that for
 *                      theft.                                              (R31)
 *   saved_before_used  No token is used before it was saved, or a save of it
 *                      was tried and failed.                               (R33)
 *   never_back         The store never goes back to an older token, and a
 *                      deleted session stays deleted.                      (R38)
 *   survives           A session ends without a logout only if the only copy of
 *                      its refresh token was lost: with the server's answer, or
 *                      with the instance that was killed before it had saved
 *                      it.                                            (R35, R41)
 *   comes_through      Every instance that lives comes to the end of its
 *                      refreshes.                                          (R41)
 *
 * "safe" is all of them but the last, for one run. Each of these definitions takes a part out, and breaks a property, which shows
 * that the model could fail:
 *
 *   NO_LEASE        no lease is taken              one_redemption
 *   NO_SAVE_FIRST   a token is used, then saved    saved_before_used
 *   NO_CAS          a save does not compare        never_back
 *   NO_LATE_SAVE    who gets an expired lease      no_reuse
 *                   does not wait for a late save
 *   NO_LOST_CHECK   invalid_grant ends a session   survives
 *                   though the lease was lost
 *   NO_RIVAL        nor waits for one again when   survives
 *                   it is refused
 *   NO_EXPIRY       a dead holder's lease stays    comes_through
 *
 * What it takes for granted, of an instance that lives and has lost its lease: it
 * learns of that at once; it saves what it has redeemed within the time that the
 * heir of the lease gives it, and before the lease goes on from the heir to
 * another; and if it has yet to send the refresh token then, it does not. The code
 * makes all of that likely, by renewing leases early, by saving again at short
 * intervals, and by having the heir of an expired lease wait for a second.
 */

#ifndef ROTATE
#define ROTATE 1
#endif
#define ROUNDS   2
#define EXPIRIES 1
#define ID       (me + 1)

byte stored = 1;      /* the token in the store; 0: the session was deleted */
byte granted = 1;     /* the newest token of the server, the one it accepts */
byte holder = 0;      /* of the lease; 0: nobody */
bool released = true; /* was the lease before this one? */

bool alive[2] = true;
bool finished[2];
bool unsaved[2];      /* has redeemed, and not saved yet */
bool redeemed[8];

/* Of an instance that has lost its lease: 1 while the next holder has it, 2 once
 * that one has given it back. */
byte behind[2];
bool owes[2];         /* had redeemed, and not saved yet, when its lease expired */

byte expiries, answersLost, savesFailed, savesLost;

/* What the properties speak of. */
bool expired, lost, twice, reused, back, early, over, deleted, stranded;

#define LEASE_LOST (holder != ID)

inline release() {
	atomic {
		if
		:: holder == ID ->
			holder = 0; released = true;
			if
			:: behind[1 - me] == 1 -> behind[1 - me] = 2
			:: else
			fi
		:: else
		fi
	}
}

/* compare is the store's compare-and-set: ok is false if another was first. */
inline compare() {
#ifdef NO_CAS
	back = back || stored > next || stored == 0;
	stored = next; ok = true;
#else
	ok = true;
	if
	:: stored == old  -> back = back || stored > next; stored = next
	:: stored == next
	:: else           -> ok = false
	fi;
#endif
	unsaved[me] = false
}

proctype instance(byte me) {
	byte mine = 1, old, next, round;
	bool heir, ok, tried;
	{
	do
	:: round == ROUNDS -> break
	:: else ->
		round++;
again:
#ifndef NO_LEASE
		atomic { holder == 0 && !(behind[1 - me] == 2 && unsaved[1 - me] && alive[1 - me]) ->
			holder = ID; heir = !released; released = false;
			behind[me] = 0; owes[me] = false }
#endif
		/* Has somebody else refreshed? */
		atomic {
			old = stored;
			if
			:: old == 0    -> goto gone
			:: old != mine && old != 0 -> mine = old; goto done
			:: else
			fi
		};
#ifndef NO_LATE_SAVE
		if
		:: heir ->
			atomic {
				stored != old || !unsaved[1 - me] || !alive[1 - me];
				if
				:: stored == 0   -> goto gone
				:: stored != old && stored != 0 -> mine = stored; goto done
				:: else
				fi
			}
		:: else
		fi;
#endif
#ifndef NO_LEASE
		if
		:: LEASE_LOST -> goto again
		:: else
		fi;
#endif
		/* The server redeems the refresh token. */
		atomic {
			if
			:: behind[me] == 2 -> goto again /* see above: not so late */
			:: else
			fi;
			twice = twice || redeemed[old];
			reused = reused || (owes[1 - me] && unsaved[1 - me] && alive[1 - me]);
			redeemed[old] = true;
			if
			:: !ROTATE || old == granted ->
				granted++;
				next = granted;
				if
				:: answersLost == 0 ->
					answersLost++; lost = true;
					stranded = stranded || ROTATE;
					goto later
				:: unsaved[me] = true
				fi
			:: else -> goto refused
			fi
		};
		tried = false;
#ifdef NO_SAVE_FIRST
		atomic { early = true; mine = next };
#endif
save:
		atomic {
			tried = true;
			if
			:: savesFailed == 0 -> savesFailed++; mine = next; goto save
			:: savesLost == 0   -> savesLost++; compare(); mine = next; goto save
			:: true -> compare()
			fi;
			if
			:: ok           -> early = early || !tried; mine = next
			:: !ok && stored == 0 -> goto gone
			:: !ok && stored != 0 -> mine = stored
			fi
		};
done:
		release();
		/* So that states which differ in what is over count as one. */
		atomic { old = 0; next = 0; heir = false; ok = false; tried = false }
	od;
	goto end;
later:
	release();
	atomic { old = 0; next = 0; heir = false };
	goto again;
refused:
	/* invalid_grant: another may have been first. */
	atomic {
		if
		:: stored == 0   -> goto gone
		:: stored != old && stored != 0 -> mine = stored; goto done
		:: else
		fi
	};
#ifndef NO_LOST_CHECK
	if
	:: LEASE_LOST -> goto later
	:: else
	fi;
#endif
#ifndef NO_RIVAL
	if
	:: heir ->
		atomic {
			stored != old || !unsaved[1 - me] || !alive[1 - me];
			if
			:: stored == 0   -> goto gone
			:: stored != old && stored != 0 -> mine = stored; goto done
			:: else
			fi
		}
	:: else
	fi;
#endif
	atomic {
		if
		:: stored == old -> stored = 0; over = true; deleted = true
		:: else
		fi
	};
gone:
	unsaved[me] = false;
	release();
end:
	finished[me] = true
	} unless { !alive[me] }
}

/* killer kills one instance, or none. */
proctype killer() {
	if
	:: atomic { alive[0] = false; stranded = stranded || (ROTATE && unsaved[0]) }
	:: true
	fi
}

/* clock lets leases expire. */
proctype clock() {
end:	do
#ifndef NO_EXPIRY
	:: atomic { holder != 0 && !alive[holder - 1] -> holder = 0; expired = true }
#endif
	:: atomic { holder != 0 && alive[holder - 1] && expiries < EXPIRIES ->
		expiries++; behind[holder - 1] = 1; owes[holder - 1] = unsaved[holder - 1];
		holder = 0; expired = true }
	od
}

/* user logs out, or does not. */
proctype user() {
	if
	:: atomic { stored = 0; deleted = true }
	:: true
	fi
}

init {
	atomic { run instance(0); run instance(1); run killer(); run clock(); run user() }
}

ltl safe {
	[] ((twice -> (expired || lost)) && !reused && !early && !back && (deleted -> stored == 0) && (over -> stranded))
}
ltl one_redemption    { [] (twice -> (expired || lost)) }
ltl no_reuse          { [] !reused }
ltl saved_before_used { [] !early }
ltl never_back        { [] (!back && (deleted -> stored == 0)) }
ltl survives          { [] (over -> stranded) }
ltl comes_through     { <> ((finished[0] || !alive[0]) && (finished[1] || !alive[1])) }
