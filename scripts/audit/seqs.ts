// Proof: the seqs of a partition have no gap up to its checkpoint.
//
// A new epoch goes on from the checkpoint of the one before it, so a partition counts through all of them. What went to
// quarantine instead of the ledger is known, and no gap; a row there without bytes stands for all that was missing until
// the next that came.
import { countRows, judge, type Proof } from './proof.ts';

export const seqs: Proof = {
  name: 'seqs',
  claim: 'the entries of each partition are numbered without gaps, through its epochs, up to its checkpoint',
  unit: 'entries',
  run: async (sql) =>
    judge(
      sql,
      await countRows(sql, 'entries'),
      sql`
        select format('partition %s epoch %s', partition, epoch) as who, case
          when partition_epoch is null then format('has entry %s, but is not there', seq)
          when is_end and last_seq >= seq then format('entry %s lies beyond the checkpoint %s', last_seq, seq - 1)
          when is_end then format('no entries from %s on, and the checkpoint is %s', coalesce(last_seq, 0) + 1, seq - 1)
          when seq = last_seq then format('entry %s is there twice', seq)
          when epoch < last_epoch then format('entry %s comes after one of epoch %s', seq, last_epoch)
          when epoch > partition_epoch then format('entry %s is of an epoch to come: it is in %s', seq, partition_epoch)
          else format('entry %s follows %s', seq, coalesce(last_seq, 0))
        end as what
        from (
          select place.*, partitions.epoch as partition_epoch,
            lag(seq) over places as last_seq, lag(place.epoch) over places as last_epoch,
            lag(is_entry) over places as last_is_entry, lag(is_open_ended) over places as last_is_open_ended
          from (
            select partition, epoch, seq, true as is_entry, false as is_open_ended, false as is_end from entries
            union all
            select partition, epoch, seq, false, octet_length(raw) = 0, false from quarantine
            union all
            select partition, epoch, seq + 1, false, false, true from partitions
          ) place (partition, epoch, seq, is_entry, is_open_ended, is_end)
          left join (select partition, epoch from partitions) partitions using (partition)
          window places as (partition by partition order by place.seq, is_end, is_entry, place.epoch)
        ) place
        where partition_epoch is null
          or (seq > coalesce(last_seq, 0) + 1 and not coalesce(last_is_open_ended, false))
          or (is_end and last_seq >= seq)
          or (is_entry and last_is_entry and (seq = last_seq or epoch < last_epoch))
          or (is_entry and epoch > partition_epoch)`,
    ),
};
