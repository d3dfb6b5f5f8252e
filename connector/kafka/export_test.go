package kafka

// TransactionName names transactional id and group of an effect.
var TransactionName = transactionName

// SetNewest is what the log knows of the last batch that may be in.
func (s *ProducerSink[K, V]) SetNewest(newest func(output, effect, transaction string) int64) {
	s.newest = newest
}
