int contract_flink(void);
int contract_flink(void)
{
	return 0;
}
