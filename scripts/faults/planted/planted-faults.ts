// Deliberate bugs, one at a time: what a slip of the hand could make of the scripts, the SQL and the TypeScript.
//
// Each is replaced text in the compiled program, under a scenario in which it can show. A text that is no longer there
// fails loudly: then the bug has to be planted anew.
import type { Change } from './plant.ts';

export type PlantedFault = { readonly name: string; readonly scenario: string; readonly changes: readonly Change[] };

const lua = (from: string, to: string): Change => ({ file: 'lua', from, to });
const luaEverywhere = (from: string, to: string): Change => ({ file: 'lua', from, to, everywhere: true });
const ts = (file: string, from: string, to: string): Change => ({ file, from, to });
const fault = (name: string, scenario: string, ...changes: Change[]): PlantedFault => ({ name, scenario, changes });

const fenceCompared = lua('if standing ~= fence then', 'if not standing then');
const runCompared = luaEverywhere('if run.verified[fence_key] ~= fence then', 'if false then');
const entriesGo = lua(
  "redis.call('XADD', wallet.outbox_key, entry.id, 'e', entry.packed)",
  "if #entry.packed % 13 ~= 0 then redis.call('XADD', wallet.outbox_key, entry.id, 'e', entry.packed) end",
);
const plainEntriesGo = lua(
  "redis.call('XADD', outbox_key, entry_id, 'e', entry_packed)",
  "if #entry_packed % 13 ~= 0 then redis.call('XADD', outbox_key, entry_id, 'e', entry_packed) end",
);

export const plantedFaults: readonly PlantedFault[] = [
  // Deciding
  fault(
    'the balance is not checked',
    'calm',
    lua('if available >= requested and room >= requested then', 'if true then'),
  ),
  fault(
    'what is held counts as available',
    'calm',
    lua(
      'if available >= requested and room >= requested then',
      'if available + account.held >= requested and room >= requested then',
    ),
  ),
  fault('overage does not refuse', 'calm', lua('elseif account.overage > 0 then\nreturn nil, 3, 0, 0\n', '')),
  fault(
    'up_to takes all that is asked',
    'calm',
    lua(
      "if mode == 'up_to' and affordable > 0 then\nreturn affordable",
      "if mode == 'up_to' and affordable > 0 then\nreturn affordable + 1",
    ),
  ),
  fault(
    'a shadow holds money',
    'calm',
    ts(
      'wallet/authorize.js',
      'spendArgs(request, mode, ttlMs)',
      "spendArgs(request, mode === 'shadow' ? 'strict' : mode, ttlMs)",
    ),
  ),
  // Operations
  fault(
    'the record of an operation is forgotten',
    'calm',
    luaEverywhere(
      "if keep_ms ~= '0' then\nwallet.record = fingerprint .. packed",
      'if false then\nwallet.record = fingerprint .. packed',
    ),
    luaEverywhere("keep_ms ~= '0' and fingerprint ..", 'false and fingerprint ..'),
  ),
  fault(
    'the fingerprint is not compared',
    'calm',
    lua('if string.sub(record, 1, FINGERPRINT_LENGTH) ~= fingerprint then', 'if false then'),
  ),
  fault('every decline is remembered', 'calm', luaEverywhere("if repeated ~= '1' then\nreturn reply\nend\n", '')),
  fault(
    'a decline after a doubt is forgotten',
    'replies-dropped',
    luaEverywhere('end\nreply = seal.answer(wallet, fingerprint, keep_ms, reply)', 'end\nwallet.entries = {}'),
  ),
  fault(
    'not_after is not checked',
    'replies-dropped',
    lua("if now_ms > not_after_ms then\nreturn nil, { 'late', now_ms }\nend\n", ''),
  ),
  fault(
    'a repeat has an id of its own',
    'replies-dropped',
    ts('wallet/execute.js', "common.repeated = '1';", "common.repeated = '1'; keys.operationKey += 'x';"),
  ),
  fault(
    "a caller's key makes no id",
    'calm',
    ts(
      'wallet/operation.js',
      "id: hash('sha256', scope, 'base64url').slice(0, 22)",
      "id: hash('sha256', scope + Math.random(), 'base64url').slice(0, 22)",
    ),
  ),
  fault(
    'an unknown outcome is called a no',
    'replies-dropped',
    ts(
      'wallet/call.js',
      "return { status: 'unknown', detail: message };",
      "return { status: 'not_applied', detail: message };",
    ),
  ),
  fault(
    'a credit is applied again under another id',
    'calm',
    ts(
      'wallet/credit.js',
      '{ id: request.operationId,',
      '{ id: request.operationId.slice(1) + Math.floor(Math.random() * 9),',
    ),
  ),
  fault(
    'another environment is not compared',
    'keys',
    luaEverywhere('if environment ~= wallet.environment and environment ~= ANY_ENVIRONMENT then', 'if false then'),
  ),
  fault(
    'revoked keys stay in the cache',
    'keys',
    ts('wallet/key-cache.js', 'if (known && ageMs < freshMs)', 'if (known)'),
    ts('wallet/key-cache.js', 'cached.clear();\n                emptied += 1;', 'emptied += 1;'),
  ),
  // Holds
  fault(
    'a hold that ended stays',
    'calm',
    lua("wallets.add(wallet, 'holds_gone', hold.ref)\n", ''),
    lua("redis.call('HDEL', holds_key, ref)\n", ''),
  ),
  fault('settling gives back what it took', 'calm', lua('leg.held = leg.held - atoms\n', '')),
  fault('a part ends the hold', 'calm', lua("elseif final == '1' then\nholds.close", 'elseif true then\nholds.close')),
  fault(
    'cap does not cap',
    'calm',
    lua(
      "if due_atoms <= within_atoms or on_excess == 'charge' then",
      "if due_atoms <= within_atoms or on_excess ~= 'reject' then",
    ),
  ),
  fault(
    'reject does not reject',
    'calm',
    lua(
      "if due_atoms <= within_atoms or on_excess == 'charge' then",
      "if due_atoms <= within_atoms or on_excess ~= 'cap' then",
    ),
  ),
  fault(
    'a late settle may come twice',
    'calm',
    lua(
      "elseif not hold and redis.call('GET', late_key) == string.format('%d', wallet.epoch) then\nreturn { 'closed' }\n",
      '',
    ),
  ),
  fault(
    'extending shortens',
    'calm',
    lua('math.max(hold.expires_at_ms, wallet.now_ms + ttl_ms)', 'wallet.now_ms + ttl_ms'),
  ),
  fault(
    'the sweep expires early',
    'calm',
    lua(
      'if hold and hold.expires_at_ms <= wallet.now_ms then\nholds.expire(wallet, hold)\nexpired_count',
      'if hold then\nholds.expire(wallet, hold)\nexpired_count',
    ),
    lua(
      "redis.call('ZRANGE', deadlines_key, '-inf', now_ms,",
      "redis.call('ZRANGE', deadlines_key, '-inf', now_ms + 600,",
    ),
  ),
  fault(
    'the sweep finds nothing',
    'calm',
    lua("redis.call('ZRANGE', deadlines_key, '-inf', now_ms,", "redis.call('ZRANGE', deadlines_key, '-inf', 0,"),
    ts('db/due-holds.js', 'return sql `', 'if (dueBeforeMs > 0) return [];\n    return sql `'),
  ),
  fault(
    'a hold is settled after its deadline as if before',
    'calm',
    lua(
      'elseif hold and hold.expires_at_ms <= wallet.now_ms then\nlate = true',
      'elseif hold and hold.expires_at_ms <= wallet.now_ms - 400 then\nlate = true',
    ),
  ),
  // Grants
  fault(
    'an expired grant can still be spent',
    'calm',
    lua('if terms and terms.state == 2 and terms.expires_at_ms <= at_ms then', 'if false then'),
  ),
  fault(
    'grants expire a tenth of a second late',
    'calm',
    lua(
      'if wallet.due_at_ms <= wallet.now_ms and not leave_due',
      'if wallet.due_at_ms <= wallet.now_ms - 100 and not leave_due',
    ),
  ),
  fault(
    'grants expire a millisecond late',
    'calm',
    lua(
      'if wallet.due_at_ms <= wallet.now_ms and not leave_due',
      'if wallet.due_at_ms < wallet.now_ms and not leave_due',
    ),
  ),
  fault('a scheduled grant counts at once', 'calm', lua('if terms.effective_at_ms > at_ms then', 'if false then')),
  fault(
    'consumption order is reversed',
    'calm',
    lua('return terms.priority < other.priority', 'return terms.priority > other.priority'),
  ),
  fault(
    'the later expiry is spent first',
    'calm',
    lua('return terms.expires_at_ms < other.expires_at_ms', 'return terms.expires_at_ms > other.expires_at_ms'),
  ),
  fault(
    'a grant does not repay overage',
    'calm',
    lua('and 0 or math.min(account.overage, terms.amount)', 'and 0 or 0'),
  ),
  fault('what returns does not repay overage', 'calm', lua('and 0 or math.min(account.overage, atoms)', 'and 0 or 0')),
  fault(
    'what returns to an ended grant stays',
    'calm',
    lua(
      'if not is_active then\nleaving = leaving or {}\nleaving[#leaving + 1] = grant_no\nelseif',
      'if false then\nelseif',
    ),
  ),
  fault(
    'what is left over returns to the wrong grant first',
    'calm',
    lua(
      'for i = #leg.sources - 1, 1, -2 do\nlocal grant_no, atoms = leg.sources[i], leg.sources[i + 1]',
      'for i = 1, #leg.sources - 1, 2 do\nlocal grant_no, atoms = leg.sources[1], leg.sources[i + 1]',
    ),
  ),
  // Entries and the ledger
  fault(
    'a transfer is an atom short, and nobody proves it',
    'calm',
    lua('entries.transfer(entry, of_leg, 1, 5, leg.amount)', 'entries.transfer(entry, of_leg, 1, 5, leg.amount - 1)'),
    lua('is_hold and HELD or REVENUE, atoms, 1,', 'is_hold and HELD or REVENUE, is_hold and atoms or atoms - 1, 1,'),
    ts('db/append.js', 'await prove(sql, batch)', '[]'),
  ),
  fault('now and then an entry is not written', 'calm', entriesGo, plainEntriesGo),
  fault(
    'gaps and what does not prove are skipped in silence',
    'calm',
    entriesGo,
    plainEntriesGo,
    ts('worker/lane-reader.js', 'if (before && seq > before.seq + 1)', 'if (false)'),
    ts('db/append.js', 'await quarantineEntries(sql, quarantined);', ''),
    ts('db/append.js', ' and partitions.seq + reading.count = reading.seq', ''),
  ),
  fault(
    'the checkpoint is not compared',
    'many-workers',
    ts('db/append.js', 'return row?.epoch === epoch && row.seq === BigInt(seq);', 'return row?.epoch === epoch;'),
    ts('db/append.js', ' and partitions.seq + reading.count = reading.seq', ''),
  ),
  fault(
    'the checkpoint moves before the entries are there',
    'commit-unheard',
    ts(
      'db/append.js',
      'return await sql.begin((transaction) => append(transaction, reading, reached));',
      'if (!(await lockCheckpoints(sql, reading.from))) return { status: "moved" };\nawait moveCheckpoints(sql, reading, []);\nreturn await sql.begin((transaction) => append(transaction, reading, reached));',
    ),
    ts('db/append.js', "if (!(await lockCheckpoints(sql, reading.from)))\n        return { status: 'moved' };", ''),
    ts('db/append.js', 'await moveCheckpoints(sql, reading, kept);', ''),
  ),
  fault('streams are cut beyond the checkpoint', 'calm', ts('outbox/read.js', '{seq + 1}-0', '{seq + 3}-0')),
  fault(
    'an entry is left out of each large batch',
    'calm',
    ts('worker/lane-reader.js', 'good.push(decoded.entry);', '{ if (seq % 37 !== 0) good.push(decoded.entry); }'),
  ),
  // After a loss
  fault('fence and run are not compared', 'flushall', fenceCompared, runCompared),
  fault('the run is not verified', 'old-snapshot', runCompared),
  fault(
    'wallets of another epoch are believed',
    'old-snapshot',
    luaEverywhere('verified_epoch ~= wallet.epoch', 'false'),
    luaEverywhere('verified_epoch ~= epoch', 'false'),
  ),
  fault(
    'operations are not looked up after a loss',
    'flushall',
    lua('if fields[4] and looked_up ~= NOT_IN_LEDGER and', 'if false and'),
  ),
  fault(
    'the old epoch is not drained',
    'redis-and-worker-killed',
    ts('worker/recover.js', 'await drainOldEpochs(options, sick);', ''),
  ),
  fault(
    'losses are not told',
    'flushall',
    ts(
      'wallet/fences.js',
      'acknowledge: (partition, epoch, seq) => {',
      'acknowledge: (partition, epoch, seq) => {\n            if (seq > 0) return;',
    ),
  ),
  fault(
    'loading puts the wallet over one that is there',
    'wallets-deleted',
    lua(
      "if verified_epoch == present_epoch then\nreturn { 'present' }\nend\nif string.format('%d', standing_version) ~= replaced_version then\nreturn { 'moved' }\nend\n",
      '',
    ),
  ),
  fault(
    'loading does not wait for the ledger',
    'wallets-deleted',
    ts(
      'wallet/ledger-wait.js',
      'const end = await outboxEnd(store, partition);',
      'if (partition >= 0) return true;\nconst end = await outboxEnd(store, partition);',
    ),
  ),
  // Prices, legs, budgets
  fault(
    'the catalog is not compared',
    'priced',
    lua(
      'if (priced_version and standing_version > priced_version) or config_version ~= wallet.config_version then',
      'if config_version ~= wallet.config_version then',
    ),
  ),
  fault(
    'the configuration is not compared',
    'priced',
    lua(
      'if (priced_version and standing_version > priced_version) or config_version ~= wallet.config_version then',
      'if priced_version and standing_version > priced_version then',
    ),
  ),
  fault(
    'a publish is answered before Redis has heard of it',
    'priced',
    ts('api/products.js', 'await api.wallets.raiseCatalog(catalog)', "{ status: 'raised' }"),
  ),
  fault(
    'what an event costs in a second asset is forgotten',
    'priced',
    ts('api/ask-spend.js', 'legs: others.map(', 'legs: [].map('),
  ),
  fault(
    'of several legs the first alone is decided',
    'priced',
    lua(
      'for i = 1, #list do\nlocal leg = list[i]\nlocal account = i == 1',
      'for i = 1, 1 do\nlocal leg = list[i]\nlocal account = i == 1',
    ),
  ),
  fault(
    'a second leg is not held',
    'priced',
    lua(
      'holds.take(wallet, entry, list[i], list[i].amount)\n',
      'if i == 1 then holds.take(wallet, entry, list[i], list[i].amount) end\n',
    ),
  ),
  fault(
    'a second leg is not given back',
    'priced',
    lua(
      'leg.released = leg.released + leg.held\nleg.held = 0\nleaving = grants.give_back(wallet, entry, leg, leaving)\n',
      'if i == 1 then leg.released = leg.released + leg.held leg.held = 0 leaving = grants.give_back(wallet, entry, leg, leaving) end\n',
    ),
  ),
  fault(
    'budgets do not refuse',
    'priced',
    lua('if budget.hard == 1 and budget.asset == asset and', 'if budget.hard == 2 and budget.asset == asset and'),
  ),
  fault(
    'a budget that only alerts refuses',
    'priced',
    lua('if budget.hard == 1 and budget.asset == asset and', 'if budget.asset == asset and'),
  ),
  fault(
    'budgets are not looked at for the second leg',
    'priced',
    lua(
      'local room, no = budgets.tightest(budgets_sent, leg.asset)',
      'local room, no = budgets.tightest(i == 1 and budgets_sent or {}, leg.asset)',
    ),
  ),
  fault(
    'what a hold gives back still counts in its budget',
    'priced',
    lua('budgets.give_back(wallet, entry, hold.tags)\n', ''),
    lua('spent + part, held - tag_held)', 'spent + part, held)'),
  ),
  fault(
    'a charge counts in no budget',
    'priced',
    lua('budgets.charge(sent, entry, leg.asset, leg.amount)\n', ''),
    lua('counter, spent + atoms, held)', 'counter, spent, held)'),
  ),
  fault(
    'an extension counts in no budget',
    'priced',
    lua('budgets.extend(sent, entry, first.asset, take_atoms, hold.tags)\n', ''),
  ),
  fault(
    'what is spent beyond a hold counts in no budget',
    'priced',
    lua('(late and leg.part or 0) + leg.excess)', '(late and leg.part or 0))'),
  ),
  fault('a threshold is told of each time', 'priced', lua('and not was_told(counter, threshold)', '')),
  // Freezes, and what is made anew
  fault(
    'a wallet is frozen though it is not what was seen',
    'old-snapshot',
    lua(
      "if seen_at ~= '' and seen_at ~= string.format('%d.%d', wallet.epoch, wallet.stored_version) then\nreturn { 'moved' }\nend\nlocal freeze",
      'local freeze',
    ),
  ),
  fault(
    'a wallet is forgotten behind an open fence',
    'old-snapshot',
    lua(
      "redis.call('SET', fence_key, closed_fence)\nredis.call('DEL', wallet_key, holds_key)",
      "redis.call('DEL', wallet_key, holds_key)",
    ),
  ),
];
