package kafka

// TransactionName names transactional id and group of an effect.
var TransactionName = transactionName
