// Example stories: each a rule of the design, shown whole. `-> 40` is what is available then; `|` the entries written.
export const examples: Record<string, string> = {
  'a retry spends nothing': `
    grant  paid 100
    hold   h1 60   -> approved 40   | hold
    hold   h1 60   -> replayed 40   |
    hold   h1 61   -> conflict      |
    hold   h2 60   -> declined 40   |
    settle h1 45   -> settled 55    | settle
  `,
  'a declined key may succeed later': `
    hold  h1 60          -> declined balance 0
    grant paid 100
    hold  h1 60          -> approved 40
  `,
  'a no to a repeat is kept, so that the delayed first attempt cannot take money': `
    hold  h1 60 again    -> declined
    grant paid 100
    hold  h1 60          -> replayed declined  |
    hold  h2 60          -> approved 40
  `,
  'parts are settled until the final one, which gives the rest back': `
    grant  paid 100
    hold   h1 60
    settle h1 10 part    -> settled open settled=10 released=0 held=50
    settle h1 20 part    -> settled open settled=30 held=30
    settle h1 5          -> settled settled=35 released=25 held=0 65
    settle h1 1          -> unknown_hold
  `,
  'settling above the hold takes what is available, then owes': `
    grant  paid 13
    hold   h1 10
    settle h1 15         -> settled 0 overage=2
    hold   h2 1          -> declined overage affordable=0
    hold   h3 0          -> approved
    charge 0             -> charged
    grant  paid 10       -> granted remaining=8 active
    hold   h2 1          -> approved 7
  `,
  'an excess is capped or rejected when asked': `
    grant  paid 100
    hold   h1 10
    settle h1 11 reject  -> exceeds_hold within=10   |
    settle h1 10 reject part -> settled open
    settle h1 5 cap      -> settled settled=10 90
  `,
  'bought credit is set aside from its own grant, and taken': `
    grant  g1 promotional 20
    grant  g2 paid 30
    aside  a1 g2 31          -> short reach=30            |
    aside  a1 g2 10          -> set_aside taken=10        | hold
    aside  a1 g2 10          -> replayed taken=10         |
    charge 45 up_to          -> charged take=40
    aside  a2 g2 1           -> short reach=0             |
    take   a1 g2 10          -> taken_back held=10 owed=0 | refund
    take   a9 g2 0           -> nothing                   |
  `,
  'what is set aside for a refund that fails is free again': `
    grant  g1 paid 30
    aside  a1 g1 10          -> set_aside
    take   a1 g1 0           -> taken_back released=10    | release
    hold   h1 30             -> approved 0
  `,
  'a dispute takes what there is, of its own grant first; what is missing is owed': `
    grant  g1 promotional 5
    grant  g2 paid 30
    hold   h1 15
    freeze by dispute
    aside  a1 g2 30          -> frozen                    |
    aside  a1 g2 30 up_to    -> set_aside taken=20        | hold
    settle h1 12             -> settled 3
    take   a1 g2 30          -> taken_back held=20 available=3 owed=7  | refund
    unfreeze by dispute
    hold   h2 1              -> declined overage
  `,
  'up_to holds what there is': `
    grant  paid 30
    hold   h1 100 up_to  -> approved take=30 0
    hold   h2 100 up_to  -> declined balance
    hold   h3 10         -> declined held_in_flight affordable=0
    hold   h4 100 shadow -> shadow_declined  |
    release h1           -> released released=30 30
    hold   h5 30 shadow  -> shadow_approved 30  |
  `,
  'what was given away goes before what was paid for': `
    grant  g1 paid 10
    grant  g2 promotional 10
    grant  g3 bundled 10
    hold   h1 25
    void   g2            -> voided taken=0 held=10
    void   g3            -> voided taken=0 held=10
    settle h1 12         -> settled settled=12 released=13   | settle void_grant
    void   g1            -> voided taken=10
  `,
  'sooner expiry goes first, and priority before it': `
    grant  g1 paid 10 until 2h
    grant  g2 paid 10 until 1h
    grant  g3 paid 10 priority 49
    charge 15
    void   g3            -> unknown_grant
    void   g2            -> voided taken=5
    void   g1            -> voided taken=10
  `,
  'of two that start together, the one created earlier goes first': `
    grant  g1 paid 10 from 10s
    wait 1s
    grant  g2 paid 10 from 9s
    to g2.start
    charge 10            | activate_grant activate_grant charge
    void   g1            -> unknown_grant
    void   g2            -> voided taken=10
  `,
  'what returns to an expired grant leaves again': `
    grant  g1 paid 50 until 10s
    grant  g2 paid 50
    hold   h1 70
    to g1.end -1ms
    charge 0             -> charged        | charge
    to g1.end
    charge 0             -> charged        | expire_grant charge
    release h1           -> released 50    | release expire_grant
  `,
  'what returns repays what is owed, whoever it belongs to': `
    grant  g1 paid 50 until 10s
    grant  g2 paid 50
    hold   h1 100
    hold   h2 0
    settle h2 30         -> settled overage=30
    to g1.end
    settle h1 40         -> settled settled=40 overage=0 20 | expire_grant settle expire_grant
  `,
  'a hold ends exactly at its deadline': `
    grant  paid 100
    hold   h1 60
    hold   h2 10
    to h1 -1ms
    release h1           -> released 90
    wait 1ms
    settle h2 4          -> settled late settled=4 released=6 96 | expire_hold settle
    settle h2 4          -> closed
  `,
  'an expired hold is settled late, once, with its terms from the ledger': `
    grant  paid 100
    hold   h1 60
    to h1 1ms
    sweep                -> expired       | expire_hold
    hold   h2 90         -> approved 10
    settle h1 61 reject  -> exceeds_hold
    settle h1 60         -> settled late settled=60 released=0 overage=50 0 | settle
    settle h1 1          -> closed
  `,
  'extending adds money and time, and never takes time away': `
    grant  paid 100
    hold   h1 10
    extend h1 20         -> extended total=30 70
    extend h1 0 ttl 1s   -> extended total=30
    wait 59s
    extend h1 0 ttl 60s  -> extended
    wait 59s
    extend h1 101        -> declined balance affordable=70
    extend h1 80         -> declined held_in_flight affordable=70
    wait 1s
    extend h1 1          -> expired released=30 | expire_hold
  `,
  'money in overdue holds is had before a no': `
    grant  paid 100
    hold   h1 60
    hold   h2 30
    to h1
    hold   h3 95         -> approved 5   | expire_hold expire_hold hold
  `,
  'a scheduled grant starts and ends by itself, at its instants': `
    grant  g1 paid 100 from 1h until 2h  -> granted scheduled | schedule_grant
    hold   h1 1          -> declined 0
    to g1.start
    hold   h1 1          -> approved 99  | activate_grant hold
    grant  g2 paid 5 from 1h until 2h
    to g2.end
    apply_due            -> applied appliedCount=3 | expire_grant activate_grant expire_grant
  `,
  'a frozen wallet approves nothing; settles, releases and grants go on': `
    grant  paid 100
    hold   h1 60
    hold   h2 10
    freeze               -> changed | freeze
    freeze               -> unchanged |
    hold   h3 0          -> declined frozen
    charge 1             -> declined frozen
    extend h1 0 ttl 1h   -> declined frozen
    settle h1 10         -> settled
    release h2           -> released
    grant  paid 10       -> granted
    freeze by dispute    -> changed
    unfreeze             -> unchanged
    unfreeze by dispute  -> changed | unfreeze
    hold   h3 0          -> approved
  `,
  'assets do not mix': `
    grant  g1 paid 100
    grant  g2 paid 100 asset 2
    hold   h1 60
    hold   h2 80 asset 2
    release h1 as 2      -> unknown_hold |
    settle h1 10 as 2    -> unknown_hold |
    extend h1 10 as 2    -> unknown_hold |
    release h1           -> released 100
  `,
  'several assets are held together, all or none': `
    grant  g1 paid 100
    grant  g2 paid 100 asset 2
    hold   h1 60 with 30:2@2/1      -> approved 40                                  | hold
    hold   h1 60 with 30:2@2/1      -> replayed 40                                  |
    hold   h1 60 with 30:2@3/1      -> conflict                                     |
    hold   h2 10 with 80:2          -> declined held_in_flight shortAsset=2 affordable=0 |
    hold   h2 10 with 101:2         -> declined balance shortAsset=2                |
    hold   h2 10 up_to with 5:3,1:2 -> declined balance shortAsset=3                |
    hold   h2 41 up_to with 1:2     -> declined shortAsset=1 affordable=40          |
    hold   h2 40 shadow with 70:2   -> shadow_approved                              |
    charge 10 with 20:2             -> charged 30                                   | charge
    charge 0 asset 2                -> charged 50
    release h1                      -> released released=60 90                      | release
    charge 0 asset 2                -> charged 80
  `,
  'what the first asset does not cover comes from the next, at its rate': `
    grant  g1 paid 100
    grant  g2 paid 100 asset 2
    hold   h1 60 with 30:2@2/1      -> approved 40
    settle h1 76 reject             -> exceeds_hold within=75  |
    settle h1 70 part               -> settled open settled=60 held=0 40
    charge 0 asset 2                -> charged held=10 70
    settle h1 8                     -> settled settled=63 37   # 5 more for 10, then 3 that are available
    charge 0 asset 2                -> charged held=0 70
    hold   h2 20 with 10:2@2/1
    settle h2 99 cap                -> settled settled=20 17
    charge 0 asset 2                -> charged 60
  `,
  'rounded up when it is taken, rounded down when it is offered': `
    grant  g1 paid 10
    grant  g2 paid 100 asset 2
    grant  g3 paid 100 asset 3
    hold   h1 0 with 5:2@3/2,1:3@1/7 -> approved
    settle h1 11 reject             -> exceeds_hold within=10
    settle h1 1 part                -> settled open 10         # 1.5 of asset 2
    charge 0 asset 2                -> charged held=3 95
    settle h1 4                     -> settled settled=0 10    # 3 for 2, and 2 are a seventh each of the third
    charge 0 asset 2                -> charged held=0 95
    charge 0 asset 3                -> charged held=0 99
  `,
  'a leg without a rate is given back, whatever the first one costs': `
    grant  g1 paid 20
    grant  g2 paid 20 asset 2
    hold   h1 10 with 15:2          -> approved
    settle h1 30                    -> settled settled=30 overage=10 0
    charge 0 asset 2                -> charged held=0 20
  `,
  'what several assets held expires together, and each goes its own way': `
    grant  g1 paid 100
    grant  g2 paid 50 asset 2 until 90s
    grant  g3 paid 50 asset 3 until 10s
    hold   h1 60 with 30:2@1/1,10:3@1/1
    to h1
    charge 0                        -> charged                 | expire_grant charge
    sweep                           -> expired                 | expire_hold expire_grant
    charge 0 asset 2                -> charged held=0 50
    settle h1 101 reject            -> exceeds_hold within=100
    settle h1 95                    -> settled late settled=65 released=0 35
    charge 0 asset 2                -> charged 20
    settle h1 1                     -> closed
  `,
  'a late settle leaves what the others have spent, and owes in the first asset': `
    grant  g1 paid 10
    grant  g2 paid 10 asset 2
    hold   h1 10 with 10:2@1/1
    to h1
    sweep
    charge 4 asset 2
    charge 7
    settle h1 20                    -> settled late settled=14 overage=11 0
    charge 0 asset 2                -> charged 0
  `,
  'what a line lacks of its asset it takes from the next, rounded up once': `
    grant  g1 paid 5
    grant  g2 paid 100 asset 2
    hold   h1 0 or 8:1>2@1/5        -> approved take=5 legs=1:5,2:1 0       | hold
    hold   h1 0 or 8:1>2@1/5        -> replayed legs=1:5,2:1                |
    settle h1 0 or 12:1>2@1/5       -> settled settled=5 spent=1:5,2:2      # 7 are 1.4 of asset 2
    charge 0 asset 2                -> charged 98
    charge 0 or 5:1>2@1/5>3@9/1     -> charged legs=1:0,2:1                 | charge
    hold   h2 0 or 1:1>2@3/2        -> approved legs=1:0,2:2
    settle h2 0 or 2:1>2@3/2        -> settled spent=1:0,2:3                # not 1.5 and 1.5, each rounded up
  `,
  'lines that do not fall back come first, then each in its turn': `
    grant  g1 paid 10
    grant  g2 paid 10 asset 2
    grant  g3 paid 10 asset 3
    charge 6 or 5:1>2@2/1,5:1>2@2/1>3@1/2 -> charged take=10 legs=1:10,2:10,3:1 # 4, and 1 for 2; 4 for 8, and 1 for a half
    charge 0 asset 3                -> charged 9
    charge 0 or 3:2>3@1/1,5:3>2@1/1 -> charged legs=1:0,2:0,3:8
  `,
  'what nothing covers stays with its own asset, and nothing is taken': `
    grant  g1 paid 5
    grant  g2 paid 3 asset 2
    hold   h1 0 or 9:1>2@1/1          -> declined balance affordable=8 shortAsset=1 |
    hold   h1 0 up_to or 9:1>2@1/1    -> approved take=5 legs=1:5,2:3               | hold
    hold   h2 0 or 2:1>2@1/1          -> declined held_in_flight affordable=0
    release h1                        -> released
    hold   h2 0 ttl 1s or 1:2         -> approved
    charge 0 or 7:1>2@1/1             -> charged
    charge 0 or 1:1>2@1/1             -> declined held_in_flight
    to h2
    charge 0 or 1:1>2@1/1             -> charged legs=1:0,2:1                       | expire_hold charge
    charge 0 up_to or 3:1>2@1/1       -> declined balance affordable=0
  `,
  'an account that owes is passed over': `
    grant  g1 paid 1
    hold   h1 1
    settle h1 2                     -> settled overage=1
    grant  g2 paid 10 asset 2
    charge 0 or 3:1>2@2/1           -> charged legs=1:0,2:6
    charge 0 or 3:1>2@2/1           -> declined overage affordable=2
    charge 0 up_to or 3:1>2@2/1     -> declined overage affordable=2
    grant  g3 paid 5 scope 1
    charge 0 in 0: or 2:1~1>2@2/1   -> charged legs=1:0,2:4                 # what is scoped repays nothing, and waits
  `,
  'budgets count each asset for itself, and what they refuse does not fall back': `
    grant  g1 paid 3
    grant  g2 paid 100 asset 2
    budget b1 2
    budget b2 8 asset 2
    charge 0 or 3:1>2@2/1           -> declined budget budgetNo=1 affordable=2
    budget b1 5
    charge 0 or 5:1>2@2/1           -> charged legs=1:3,2:4
    charge 0 or 3:1>2@2/1           -> declined budget budgetNo=2 shortAsset=2 affordable=0
    hold   h1 0 or 2:1>2@2/1        -> approved legs=1:0,2:4
    settle h1 0 or 5:1>2@2/1        -> settled settled=0 spent=1:0,2:10     # the work was done
    charge 0 or 1:1>2@2/1           -> declined budget budgetNo=2
    grant  g3 paid 3
    budget b1 99
    charge 0 or 99:1>2@2/1          -> declined balance shortAsset=1 affordable=3
    charge 0 up_to or 99:1>2@2/1    -> declined balance affordable=3
  `,
  'a settle takes what is held, then what is there, then owes in its own asset; cap and reject end with what is held': `
    grant  g1 paid 5
    grant  g2 paid 10 asset 2
    hold   h1 0 or 7:1>2@2/1            -> approved legs=1:5,2:4
    settle h1 0 or 9:1>2@2/1 reject     -> exceeds_hold within=7
    settle h1 0 or 1:1>2@2/1 part       -> settled open settled=1 spent=1:1,2:0
    settle h1 0 or 9:1>2@2/1 cap part   -> settled open settled=5 spent=1:5,2:4
    settle h1 0 or 9:1>2@2/1            -> settled settled=11 overage=6 spent=1:11,2:10
    grant  g3 paid 10
    grant  g4 paid 10 asset 2
    hold   h2 0 or 6:1>2@2/1            -> approved legs=1:4,2:4
    settle h2 5                         -> settled settled=4 spent=1:4,2:2  # by an amount: at the hold's rate
  `,
  'a late settle takes what came back and is there first': `
    grant  g1 paid 5
    grant  g2 paid 10 asset 2
    hold   h1 0 or 7:1>2@2/1            -> approved legs=1:5,2:4
    to h1
    sweep                               -> expired
    charge 3
    settle h1 0 or 9:1>2@2/1 reject     -> exceeds_hold within=7
    settle h1 0 or 7:1>2@2/1            -> settled late settled=2 spent=1:2,2:10
  `,
  'late, what is scoped is taken once': `
    grant  g1 paid 5 scope 1
    grant  g2 paid 10 asset 2
    hold   h1 0 in 0: or 7:1~1>2@2/1    -> approved legs=1:5,2:4
    to h1
    sweep                               -> expired
    charge 3 in 3:1
    settle h1 0 in 0: or 9:1~1>2@2/1    -> settled late overage=2 spent=1:4,2:10
  `,
  'what counts over a period falls back, too': `
    grant  g1 paid 8
    grant  g2 paid 100 asset 2
    charge 2 uses 3:steps or u1>2@3/1   -> charged legs=1:8,2:3             # 3 at 2, and 1 to begin with
  `,
  'a line that falls back takes from what covers it, in either asset': `
    grant  g1 paid 5
    grant  g2 paid 5 scope 1
    grant  g3 paid 5 asset 2 scope 2
    grant  g4 paid 5 asset 2
    charge 2 in 0:1 or 6:1~1>2@1/1,5:1~2>2@1/1 -> charged
    charge 0 asset 2                    -> charged
  `,
  'a settle in several assets takes each from its leg, then from what is available, then owes': `
    grant  g1 paid 100
    grant  g2 paid 20 asset 2
    grant  g3 paid 5 asset 3
    hold   h1 10 with 8:2
    settle h1 3 and 9:2 reject          -> exceeds_hold within=8
    settle h1 0 and 1:3 reject          -> exceeds_hold within=0
    settle h1 3 and 9:2 cap part        -> settled settled=3
    charge 0 asset 2                    -> charged held=0 12
    settle h1 4 and 2:2,7:3 part        -> settled settled=7
    charge 0 asset 2                    -> charged 10
    charge 1 asset 3                    -> declined
    settle h1 0 and 11:2                -> settled settled=7 released=3 93
    charge 1 asset 2                    -> declined
  `,
  'a late settle in several assets takes what came back, and more where there is more': `
    grant  g1 paid 100
    grant  g2 paid 20 asset 2
    hold   h1 10 with 8:2
    to h1
    sweep
    settle h1 0 and 9:2 reject          -> exceeds_hold within=8
    settle h1 0 and 9:2,1:3             -> settled late settled=0 released=10 100
    charge 0 asset 2                    -> charged 11
  `,
  'a grant that repays all at once is spent at once': `
    hold   h1 0
    settle h1 10         -> settled overage=10
    grant  g1 paid 4     -> granted spent remaining=0
    grant  g2 paid 5 from 1h until 2h
    void   g1            -> unknown_grant
    wait 3h
    apply_due            | activate_grant
    grant  g3 paid 2     -> granted remaining=1
  `,
  'two takings from one grant return to it once': `
    grant  g1 paid 100 until 10s
    hold   h1 10
    extend h1 5
    to g1.end
    release h1           -> released released=15 0 | expire_grant release expire_grant
    grant  g2 paid 7     -> granted remaining=7
  `,
  'a declined call leaves what is due to the next one': `
    grant  g1 paid 100 until 10s
    to g1.end
    hold   h1 10         -> declined |
    hold   h1 10 again   -> declined |
    charge 10 shadow     -> shadow_declined |
    apply_due            | expire_grant
  `,
  'a wallet that Redis lost goes on from its entries': `
    grant  g1 paid 100 until 1h
    grant  g2 bundled 20 from 5s
    hold   h1 60
    settle h1 10 part
    reload
    to g2.start
    settle h1 25         -> settled settled=35 released=25 85 | activate_grant settle
    freeze
    reload
    hold   h2 1          -> declined frozen
  `,
  'scoped credit goes first, to what its scope covers, and to nothing else': `
    grant  g1 paid 10
    grant  g2 paid 10 scope 1
    grant  g3 paid 10 scope 2 until 1h
    grant  g4 paid 10 priority 40
    hold   h1 31                -> declined affordable=20 balance 40
    hold   h2 12 in 0:1         -> approved take=12 28
    charge 12                   -> declined affordable=10 held_in_flight
    charge 40 up_to in 0:1.2    -> charged take=28 0
    release h2                  -> released 12
    charge 11                   -> declined affordable=10
    charge 12 in 0:1            -> charged 0
  `,
  'each line takes from what covers it, one after the other': `
    grant  g1 paid 6 scope 1
    grant  g2 paid 10 scope 2
    hold   h1 17 in 6:1,0:2        -> declined affordable=16
    hold   h1 17 up_to in 6:1,0:2  -> approved take=16 0
    settle h1 13 in 3:1,0:2        -> settled released=3 3
    charge 1 in 0:2                -> declined affordable=0
    charge 3 in 0:1.2              -> charged 0
  `,
  'what is settled goes by the scopes of what was authorized; an event by its own': `
    grant  g1 paid 10 scope 1
    hold   h1 4 in 0:1
    extend h1 1                 -> extended total=5 5
    settle h1 7                 -> settled settled=7 overage=0 3
    hold   h2 3 in 0:1
    settle h2 1 in 0:2 reject   -> exceeds_hold within=0
    settle h2 1 in 0:2          -> settled released=3 overage=1 3
    hold   h3 1 in 0:1          -> declined overage
    grant  paid 5 scope 2       -> granted remaining=5
    grant  paid 3               -> granted remaining=2
    charge 8 in 0:1             -> declined affordable=5
    charge 0                    -> charged 10
  `,
  'a late settle takes what its scopes let it, and owes the rest': `
    grant  g1 paid 10 scope 1
    grant  g2 paid 5
    hold   h1 12 ttl 1s in 0:1
    wait   1s
    sweep                       -> | expire_hold
    settle h1 12 in 0:2         -> settled late settled=12 overage=7 10
  `,
  'what returns to a scoped grant repays nothing, and leaves with it': `
    grant  g1 paid 10 scope 1
    hold   h1 6 in 0:1
    hold   h2 0
    settle h2 3                 -> settled overage=3 4
    release h1                  -> released 10
    hold   h3 0 in 0:1
    settle h3 4                 -> settled overage=3 6
    reload
    void   g1                   -> voided taken=6
  `,
  'of what is left when a grant renews, a part lives on until its own end': `
    grant  g1 paid 100 until 1h rolls 50,30 for 1d
    grant  g2 paid 100 from 1h until 2h
    charge 20
    hold   h1 10 ttl 1d         -> approved 70
    reload
    to g1.end
    charge 0                    -> charged 130 | roll_over_grant activate_grant charge
    charge 30                   -> charged 100
    release h1                  -> released 110
    reload
    wait 1d
    charge 0                    -> charged 0   | expire_grant expire_grant charge
  `,
  'what rolls over keeps its scope, and its place by its new end': `
    grant  g1 paid 9 until 1h rolls 50,100 scope 1
    grant  g2 paid 10 until 2h scope 1
    wait   1h
    charge 5 in 0:1             -> charged 9 | roll_over_grant charge
    charge 6 in 0:1             -> charged 3
    charge 4                    -> declined affordable=0
    void   g1                   -> voided taken=3
  `,
  'a budget is a limit within the balance: holds count in it, and give back': `
    grant  paid 100
    budget team 30
    hold   h1 20         -> approved 80
    hold   h2 20         -> declined budget affordable=10 budgetNo=1 80
    hold   h2 20 up_to   -> approved take=10 70
    hold   h3 1          -> declined budget affordable=0
    settle h1 5          -> settled 85
    hold   h4 16         -> declined budget affordable=15
    charge 15            -> charged 70
    release h2           -> released 80
    charge 10            -> charged 70
    charge 1             -> declined budget affordable=0
  `,
  'of several budgets the tightest that refuses is named; one of somebody else is not asked': `
    grant  paid 100
    budget organization 50
    budget ann 10 of ann
    budget bob 5 of bob
    hold   h1 20 by ann  -> declined budget affordable=10 budgetNo=2
    hold   h2 40         -> approved 60
    hold   h3 11 by ann  -> declined budget affordable=10
    hold   h4 8 by ann   -> approved
    hold   h5 3 by ann   -> declined budget affordable=2
    hold   h6 3 by bob   -> declined budget affordable=2 budgetNo=1
    release h2
    hold   h7 6 by bob   -> declined budget affordable=5 budgetNo=3
  `,
  'a budget counts by window, and a hold gives back where it was counted': `
    grant  paid 100
    budget team 30 per hour
    hold   h1 20 ttl 2h
    charge 10
    charge 1             -> declined budget affordable=0
    wait   1h
    charge 30            -> charged 40
    settle h1 5          -> settled 55  | settle
    charge 1             -> declined budget affordable=0
    wait   1h
    charge 30            -> charged 25
  `,
  'days begin when they do in their own time zone': `
    grant  paid 100
    budget here 30 per day
    budget there 20 per nepal_day
    charge 15
    wait   18h
    charge 6             -> declined budget affordable=5 budgetNo=2
    wait   15m
    charge 15            -> charged 70
    charge 1             -> declined budget affordable=0 budgetNo=1
    wait   5h
    charge 1             -> declined budget affordable=0 budgetNo=1
    wait   45m
    charge 6             -> declined budget affordable=5 budgetNo=2
  `,
  'a rolling budget lets go of what is older than its period, and of nothing younger': `
    grant  paid 100
    budget team 30 per 1m
    charge 20
    wait   30s
    charge 10            -> charged 70
    wait   30s
    charge 1             -> declined budget affordable=0
    wait   2s
    charge 20            -> charged 50
    charge 1             -> declined budget
  `,
  'an extension counts, and brings the hold into the present window': `
    grant  paid 100
    budget team 30 per hour
    hold   h1 20 ttl 3h
    extend h1 11         -> declined budget affordable=10
    extend h1 10         -> extended 70
    extend h1 0 ttl 4h   -> extended 70
    wait   1h
    extend h1 10         -> extended 60
    charge 21            -> declined budget affordable=20
    settle h1 8          -> settled 92
    charge 23            -> declined budget affordable=22
  `,
  'what is settled beyond a hold counts, and may exceed the budget': `
    grant  paid 100
    budget team 30
    hold   h1 0
    hold   h2 10
    settle h1 15         -> settled 75
    settle h2 20         -> settled 65
    charge 1             -> declined budget affordable=0
    budget team 40
    charge 6             -> declined budget affordable=5
    drop   team
    charge 6             -> charged 59
  `,
  'each threshold is told of once in a window, also when a settle passes several': `
    grant  paid 1000
    budget team 100 per hour alert at 50,80,100
    charge 49            | charge
    hold   h1 60         | hold
    settle h1 60         | settle budget_alert budget_alert budget_alert
    charge 100           | charge
    wait   1h
    charge 80            | charge budget_alert budget_alert
  `,
  'what spends is the version that it names; alerts come after it': `
    grant  paid 100
    budget team 100 at 10,20,30
    charge 10            -> charged version=2 seq=3   | charge budget_alert
    hold   h1 20         -> approved version=4
    settle h1 20         -> settled version=5 seq=7   | settle budget_alert budget_alert
    charge 1             -> charged version=8
  `,
  'a limit that changes has other thresholds; one that was told of is not told of again': `
    grant  paid 1000
    budget team 100 per hour at 50,80
    charge 60            | charge budget_alert
    budget team 200 per hour at 50,100,160
    charge 1             | charge
    charge 40            | charge budget_alert
    budget team 150 per hour at 75,100
    charge 1             | charge budget_alert
    wait   1h
    charge 100           | charge budget_alert budget_alert
  `,
  'what a hold is settled in besides counts, in the window that it was opened in': `
    grant  paid 100
    grant  paid 100 asset 2
    budget usd 50 per hour
    budget tokens 30 per hour asset 2 at 20
    budget ann 9 per hour of ann asset 2
    hold   h1 10 ttl 2h
    settle h1 5 and 25:2 part -> settled open         | settle budget_alert
    charge 6 asset 2     -> declined budget affordable=5
    hold   h2 1 ttl 2h
    wait   1h
    settle h1 5 and 9:2  -> settled
    charge 30 asset 2    -> charged
    settle h2 1 and 4:2  -> settled
    charge 1 asset 2     -> declined budget affordable=0
  `,
  'a rolling threshold is told of again a period later': `
    grant  paid 1000
    budget team 100 per 1m alert at 50
    charge 50            | charge budget_alert
    wait   30s
    charge 50            | charge
    wait   32s
    charge 10            | charge budget_alert
  `,
  'overdue holds expire before a budget says no': `
    grant  paid 100
    budget team 30
    hold   h1 20 ttl 5s
    to     h1
    hold   h2 25         -> approved 75  | expire_hold hold
  `,
  'counters come back from entries alone': `
    grant  paid 100
    budget team 30 at 10
    hold   h1 20
    settle h1 12 part    -> settled open   | settle budget_alert
    reload
    charge 11            -> declined budget affordable=10
    settle h1 8          -> settled 80     | settle
  `,
  'pieces cost what the whole does, across the edges of tiers': `
    grant  paid 100
    charge 0 uses 2:steps      -> charged 95
    charge 0 uses 2.5:steps    -> charged 90
    charge 3 uses 5.5:steps    -> charged 83
    charge 0 uses 0.5:steps    -> charged 83
    charge 0 uses 0.5:steps    -> charged 83
    charge 0 uses 50:steps     -> charged 27
  `,
  'a hold counts nothing, and takes the most of what falls': `
    grant  paid 100
    hold   h1 0 uses 11:bulk         -> approved takeAtoms=20 80
    hold   h2 0 uses 11:bulk         -> approved takeAtoms=20 60
    settle h1 0 uses 11:bulk         -> settled settled=14 66
    settle h2 0 uses 9:bulk          -> settled settled=9 77
  `,
  'a settle counts in the window that its hold was opened in, and a day later in that of a day ago': `
    grant  paid 100
    hold   h1 0 ttl 1d uses 5:bulk
    hold   h2 0 ttl 1d uses 5:bulk
    charge 0 uses 10:bulk      -> charged
    wait   1h
    charge 0 uses 10:bulk      -> charged
    settle h1 0 uses 5:bulk    -> settled settled=0
    wait   24h
    settle h2 0 uses 9:bulk    -> settled settled=2 late
  `,
  'packages of another asset fill over a month; both assets are taken, or neither': `
    grant  paid 10
    grant  paid 5 asset 2
    charge 1 uses 1:steps,3:packs    -> charged 6
    charge 1 uses 1:packs            -> charged 5
    charge 1 uses 0.5:packs          -> declined balance
    charge 0 asset 2 uses 2:packs    -> declined balance affordable=2
  `,
  'another version bills nothing again, and its counter comes back from entries alone': `
    grant  paid 100
    charge 0 uses 5:steps      -> charged 89
    publish steps
    charge 0 uses 5:steps      -> charged 84
    reload
    charge 0 uses 7:steps      -> charged 81
    publish steps
    charge 0 uses 3:steps      -> charged 79
  `,
  'alerts of several assets come in the order of the budgets that the hold named': `
    grant  paid 30
    budget b2 0 per hour asset 2 at 1
    budget b3 0 per hour at 1
    hold   h4 0 ttl 1s in 0:
    settle h4 0 uses 10:packs,0:steps -> settled | settle budget_alert budget_alert
  `,
  'a budget sees what usage costs, and an alert what it came to': `
    grant  paid 100
    budget team 30 at 11
    charge 0 uses 5:steps      -> charged 89 | charge budget_alert
    charge 0 uses 39:steps     -> declined budget affordable=19
    charge 0 uses 20:steps     -> charged 75
  `,
};
